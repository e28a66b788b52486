// Many watchers of one upload in one thread, for tests/bench/watchers.py: opens N websockets, says "there" on standard
// output when each has had its first message, reads until all are closed, then says how many bytes and messages came.
//
//   watchers 127.0.0.1 PORT PATH N
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

// All of `text`, or usage.
uint16_t number_of(std::string_view text) {
  uint16_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    std::fputs("usage: watchers ADDRESS PORT PATH COUNT\n", stderr);
    std::exit(64);
  }
  return number;
}

int open_watcher(const sockaddr_in& address, const std::string& request) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) give_up("socket");
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) give_up("connect");
  if (write(fd, request.data(), request.size()) != static_cast<ssize_t>(request.size())) give_up("write");
  if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) give_up("fcntl");
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 64;
  const int wanted = number_of(argv[4]);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(number_of(argv[2]));
  inet_pton(AF_INET, argv[1], &address.sin_addr);
  const std::string request = std::string("GET ") + argv[3] +
                              " HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  std::vector<uint32_t> reads(static_cast<std::size_t>(files.rlim_cur));
  for (int i = 0; i < wanted; ++i) {
    const int fd = open_watcher(address, request);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0) give_up("epoll_ctl");
  }
  int open = wanted;
  int there = 0;
  uint64_t bytes = 0;
  uint64_t messages = 0;
  uint64_t links = 0;
  std::array<epoll_event, 512> events;
  std::array<char, 4096> piece;
  while (open > 0) {
    const int ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      const ssize_t got = read(fd, piece.data(), piece.size());
      if (got <= 0) {
        close(fd);
        --open;
        continue;
      }
      const std::string_view text(piece.data(), static_cast<std::size_t>(got));
      bytes += text.size();
      const auto here = static_cast<uint64_t>(std::count(text.begin(), text.end(), '}'));
      messages += here;
      if (text.find("\"complete\"") != text.npos) ++links;
      if (here > 0 && reads[static_cast<std::size_t>(fd)]++ == 0 && ++there == wanted) {
        std::puts("there");
        std::fflush(stdout);
      }
    }
  }
  std::printf("%llu %llu %llu\n", static_cast<unsigned long long>(bytes), static_cast<unsigned long long>(messages),
              static_cast<unsigned long long>(links));
  return 0;
}
