// What a download of a small file can cost at least on this machine, written as plainly as one can: a request is what a
// receive brings, its answer lies ready. One epoll loop a thread; up to 16 KiB are one send, more is a send of the head
// and a sendfile, as in ringdrop. It looks at no byte of the request, has one file and no time-outs, so it is a bound
// to measure against and no server.
//
//   hot_answers BYTES THREADS
//
// Says "listening on 127.0.0.1:PORT" on standard error. SIGTERM ends it.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "tests/bench/bound.h"

namespace {

constexpr std::size_t kMostInOneSend = 16 << 10;
constexpr int kSendBufferBytes = 1 << 20;  // an answer fits, so that no send waits for another connection's client
constexpr int kMostEvents = 256;

struct Answer {
  std::string in_one;  // the head, and the body unless that is in the file
  int file = -1;
  std::size_t file_bytes = 0;
};

Answer make_answer(std::size_t bytes) {
  Answer answer;
  answer.in_one =
      "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " + std::to_string(bytes) +
      "\r\n\r\n";
  const std::string body(bytes, 'x');
  if (bytes <= kMostInOneSend) {
    answer.in_one += body;
    return answer;
  }
  answer.file = memfd_create("body", MFD_CLOEXEC);
  if (answer.file < 0 || write(answer.file, body.data(), bytes) != static_cast<ssize_t>(bytes)) give_up("memfd");
  answer.file_bytes = bytes;
  return answer;
}

bool send_answer(int fd, const Answer& answer) {
  const int more = answer.file_bytes > 0 ? MSG_MORE : 0;
  const auto head = static_cast<ssize_t>(answer.in_one.size());
  if (send(fd, answer.in_one.data(), answer.in_one.size(), MSG_NOSIGNAL | more) != head) return false;
  off_t offset = 0;
  while (static_cast<std::size_t>(offset) < answer.file_bytes) {
    if (sendfile(fd, answer.file, &offset, answer.file_bytes - static_cast<std::size_t>(offset)) <= 0) return false;
  }
  return true;
}

[[noreturn]] void serve(int poll, const Answer& answer) {
  std::array<epoll_event, kMostEvents> events{};
  std::array<char, 8192> request{};
  while (true) {
    const int ready = epoll_wait(poll, events.data(), kMostEvents, -1);
    for (int i = 0; i < ready; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (recv(fd, request.data(), request.size(), MSG_DONTWAIT) <= 0 || !send_answer(fd, answer)) close(fd);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  const Answer answer = make_answer(std::strtoul(argv[1], nullptr, 10));
  std::vector<int> polls(std::strtoul(argv[2], nullptr, 10));
  if (polls.empty()) return 64;
  for (int& poll : polls) {
    poll = epoll_create1(EPOLL_CLOEXEC);
    if (poll < 0) give_up("epoll_create1");
    std::thread([poll, &answer] { serve(poll, answer); }).detach();
  }
  const int listener = listen_somewhere();
  for (std::size_t number = 0;; ++number) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) give_up("accept");
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSendBufferBytes, sizeof kSendBufferBytes);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (epoll_ctl(polls[number % polls.size()], EPOLL_CTL_ADD, fd, &event) != 0) give_up("epoll_ctl");
  }
}
