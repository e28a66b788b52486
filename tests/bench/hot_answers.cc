// What a download of a small file can cost at least on this machine, written as plainly as one can: a request is what a
// receive brings, its answer lies ready: one of ANSWERS bodies in turn, behind a head as long as ringdrop's. One epoll
// loop a thread; up to 16 KiB are one send of both, more is a send of the head and a sendfile, as in ringdrop. It looks
// at no byte of the request and has no time-outs, so it is a bound to measure against and no server.
//
//   hot_answers BYTES ANSWERS THREADS
//
// Says "listening on 127.0.0.1:PORT" on standard error. SIGTERM ends it.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "tests/bench/bound.h"

namespace {

constexpr std::size_t kMostInOneSend = 16 << 10;
constexpr std::size_t kHeadBytes = 600;
constexpr int kSendBufferBytes = 1 << 20;  // an answer fits, so that no send waits for another connection's client
constexpr int kMostEvents = 256;

struct Answer {
  std::string head;
  std::string body;  // unless it is in the file
  int file = -1;
  std::size_t file_bytes = 0;
};

Answer make_answer(std::size_t bytes) {
  Answer answer;
  answer.head = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(bytes) + "\r\nFiller: ";
  answer.head.resize(kHeadBytes - 4, 'x');
  answer.head += "\r\n\r\n";
  answer.body.assign(bytes, 'x');
  if (bytes <= kMostInOneSend) return answer;
  answer.file = memfd_create("body", MFD_CLOEXEC);
  if (answer.file < 0 || write(answer.file, answer.body.data(), bytes) != static_cast<ssize_t>(bytes)) give_up("memfd");
  answer.body.clear();
  answer.file_bytes = bytes;
  return answer;
}

bool send_answer(int fd, const Answer& answer) {
  std::array<iovec, 2> parts{{{const_cast<char*>(answer.head.data()), answer.head.size()},
                              {const_cast<char*>(answer.body.data()), answer.body.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  const int more = answer.file_bytes > 0 ? MSG_MORE : 0;
  const auto all = static_cast<ssize_t>(answer.head.size() + answer.body.size());
  if (sendmsg(fd, &message, MSG_NOSIGNAL | more) != all) return false;
  off_t offset = 0;
  while (static_cast<std::size_t>(offset) < answer.file_bytes) {
    if (sendfile(fd, answer.file, &offset, answer.file_bytes - static_cast<std::size_t>(offset)) <= 0) return false;
  }
  return true;
}

[[noreturn]] void serve(int poll, const std::vector<Answer>& answers) {
  std::size_t next = 0;
  std::array<epoll_event, kMostEvents> events{};
  std::array<char, 8192> request{};
  while (true) {
    const int ready = epoll_wait(poll, events.data(), kMostEvents, -1);
    for (int i = 0; i < ready; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (recv(fd, request.data(), request.size(), MSG_DONTWAIT) <= 0 ||
          !send_answer(fd, answers[next++ % answers.size()])) {
        close(fd);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 64;
  std::vector<Answer> answers;
  const std::size_t bytes = std::strtoul(argv[1], nullptr, 10);
  const std::size_t count = std::strtoul(argv[2], nullptr, 10);
  while (answers.size() < count) answers.push_back(make_answer(bytes));
  std::vector<int> polls(std::strtoul(argv[3], nullptr, 10));
  if (polls.empty() || answers.empty()) return 64;
  for (int& poll : polls) {
    poll = epoll_create1(EPOLL_CLOEXEC);
    if (poll < 0) give_up("epoll_create1");
    std::thread([poll, &answers] { serve(poll, answers); }).detach();
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
