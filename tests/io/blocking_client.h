// A client with plain blocking calls, for a thread of its own or for what the kernel buffers.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "io/address.h"

namespace ringdrop::test {

class BlockingClient {
 public:
  explicit BlockingClient(const io::Address& address)
      : fd_(socket(address.generic.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    REQUIRE(fd_ >= 0);
    REQUIRE(connect(fd_, &address.generic, address.length) == 0);
  }
  BlockingClient(const BlockingClient&) = delete;
  BlockingClient& operator=(const BlockingClient&) = delete;
  ~BlockingClient() {
    if (fd_ >= 0) close(fd_);
  }

  // False: the other end is gone.
  bool send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // Up to the end.
  std::string receive_all() const {
    std::string all;
    char some[16'384];
    for (ssize_t got = 0; (got = recv(fd_, some, sizeof some, 0)) > 0;) all.append(some, static_cast<std::size_t>(got));
    return all;
  }
  void end() const { shutdown(fd_, SHUT_WR); }
  // Closes with a reset instead of an end (SO_LINGER 0, socket(7)).
  void reset() {
    const linger now{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

}  // namespace ringdrop::test
