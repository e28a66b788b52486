#include "tests/bench/load/connection.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace load {
namespace {

constexpr std::size_t kDiscardAtOnce = std::size_t{1} << 30;

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

// What of `text` is behind its first `skipped` bytes; `skipped` is reduced by what it has used up.
std::string_view behind(std::string_view text, uint64_t& skipped) {
  const auto here = std::min<uint64_t>(skipped, text.size());
  skipped -= here;
  return text.substr(static_cast<std::size_t>(here));
}

iovec as_iovec(std::string_view text) {
  return {const_cast<char*>(text.data()), text.size()};
}

}  // namespace

Connection::Connection(const sockaddr_in& address, std::unique_ptr<Script> script, Pace pace)
    : address_(address), script_(std::move(script)), pace_(pace) {}

Connection::~Connection() {
  close();
}

void Connection::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void Connection::connect() {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) give_up("socket");
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) != 0) give_up("connect");
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (fcntl(fd_, F_SETFL, O_NONBLOCK) != 0) give_up("fcntl");
}

bool Connection::start(Nanoseconds intended, Nanoseconds now) {
  if (!script_->next(message_)) return false;
  reader_.reset();
  sent_ = 0;
  intended_ = intended;
  started_ = now;
  is_busy_ = true;
  return true;
}

Connection::State Connection::go_on(bool is_readable, Nanoseconds now) {
  if (!is_busy_) {
    if (is_readable) close();  // the server has, or it says something that nobody asked for
    return State::idle;
  }
  if (reads_at_pace() && now >= wake_at_) is_readable = true;
  // When no more is taken, there may be an answer that says why.
  if (sent_ < message_bytes() && send_some(now) == Step::failed) is_readable = true;
  if (!is_readable) return State::busy;
  switch (receive_some(now)) {
    case Step::waits:
      return State::busy;
    case Step::failed:
      return failed();
    case Step::done:
      break;
  }
  is_busy_ = false;
  const Response& response = reader_.response();
  const bool is_whole = sent_ == message_bytes();
  if (response.closes || !is_whole) close();
  if (response.status >= 300 || !is_whole) return State::failed;
  script_->answered(response);
  return State::answered;
}

Connection::State Connection::failed() {
  is_busy_ = false;
  close();
  return State::failed;
}

Connection::Step Connection::send_some(Nanoseconds now) {
  wake_at_ = 0;
  while (sent_ < message_bytes()) {
    uint64_t skipped = sent_;
    iovec parts[3];
    parts[0] = as_iovec(behind(message_.head, skipped));
    std::string_view block;
    if (skipped < message_.block_bytes) {
      block = message_.block.substr(static_cast<std::size_t>(skipped % message_.block.size()));
      block =
          block.substr(0, static_cast<std::size_t>(std::min<uint64_t>(block.size(), message_.block_bytes - skipped)));
    }
    parts[1] = as_iovec(block);
    // The tail only where the block comes to its end in this call.
    const bool ends = skipped + block.size() >= message_.block_bytes;
    skipped -= std::min(skipped, message_.block_bytes);
    parts[2] = ends ? as_iovec(behind(message_.tail, skipped)) : iovec{};
    if (pace_.is_limited()) {
      uint64_t allowed = message_.head.size() + pace_.allowed(started_, now);
      allowed -= std::min(allowed, sent_);
      for (iovec& part : parts) {
        part.iov_len = std::min<std::size_t>(part.iov_len, allowed);
        allowed -= part.iov_len;
      }
      if (parts[0].iov_len + parts[1].iov_len + parts[2].iov_len == 0) {
        wake_at_ = pace_.next_step(now);
        return Step::waits;
      }
    }
    msghdr header{};
    header.msg_iov = parts;
    header.msg_iovlen = 3;
    const ssize_t sent = sendmsg(fd_, &header, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN ? Step::waits : Step::failed;
    sent_ += static_cast<uint64_t>(sent);
    sent_total_ += static_cast<uint64_t>(sent);
  }
  return Step::done;
}

Connection::Step Connection::receive_some(Nanoseconds now) {
  while (!reader_.is_complete()) {
    ssize_t got = 0;
    if (reader_.has_head()) {
      uint64_t most = std::min<uint64_t>(reader_.missing(), kDiscardAtOnce);
      if (reads_at_pace()) {
        const uint64_t allowed = pace_.allowed(started_, now);
        most = std::min(most, allowed - std::min(allowed, response().body_bytes - reader_.missing()));
        if (most == 0) {
          wake_at_ = pace_.next_step(now);
          return Step::waits;
        }
      }
      // MSG_TRUNC on a TCP socket: the bytes are taken and copied nowhere (tcp(7)).
      got = recv(fd_, nullptr, static_cast<std::size_t>(most), MSG_TRUNC);
      if (got > 0) {
        reader_.discarded(static_cast<uint64_t>(got));
        received_total_ += static_cast<uint64_t>(got);
      }
    } else {
      got = recv(fd_, reader_.room().data(), reader_.room().size(), 0);
      if (got > 0 && !reader_.received(static_cast<std::size_t>(got))) return Step::failed;
    }
    if (got > 0 || (got < 0 && errno == EINTR)) continue;
    return got < 0 && errno == EAGAIN ? Step::waits : Step::failed;
  }
  return Step::done;
}

}  // namespace load
