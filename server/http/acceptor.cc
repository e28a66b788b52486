#include "server/http/acceptor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <utility>

namespace ringdrop::http {
namespace {

// Without a free descriptor accept fails at once, for ever: look again after this time.
constexpr io::Milliseconds kRetryAfter{100};
// How long the accept queue is emptied at the end, at most: new connections must not keep a server from stopping.
constexpr io::Milliseconds kEmptyQueue{100};
// Clients that are being told 503 side by side; further ones are closed without a word.
constexpr std::size_t kTurnedAwayAtOnce = 64;
constexpr io::Milliseconds kTurnAwayTimeout{1'000};

constexpr std::string_view kBusy =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 50\r\nRetry-After: 5\r\n"
    "Connection: close\r\n\r\n"
    "ringdrop: 503 too_many_connections: try again soon";
static_assert(kBusy.size() - kBusy.find("\r\n\r\n") - 4 == 50);

}  // namespace

Acceptor::Acceptor(io::EventLoop& loop, io::Listener listener, std::span<Connections* const> loops,
                   std::size_t max_connections)
    : loop_(loop),
      listener_(std::move(listener)),
      loops_(loops),
      max_connections_(max_connections),
      pause_(loop, "accepting, after a pause"),
      turned_away_(loop) {}

io::Task<> Acceptor::run(std::stop_token stop) {
  while (!stop.stop_requested()) co_await accept_one(io::kNever, stop);
  // What waits in the accept queue would be reset by the close of the listener.
  const std::stop_token no_stop;
  const io::TimePoint end = loop_.now() + kEmptyQueue;
  bool more = true;
  while (more && loop_.now() < end) {
    const io::TimePoint deadline = std::min(end, loop_.now() + io::Milliseconds(1));
    more = co_await accept_one(deadline, no_stop);
  }
  co_await turned_away_.join();
}

io::Task<bool> Acceptor::accept_one(io::TimePoint deadline, const std::stop_token& stop) {
  io::Address peer;
  io::Result<io::OwnedFd> fd = co_await listener_.accept(peer, deadline, stop);
  if (fd) {
    hand_over(std::move(*fd), peer);
    co_return true;
  }
  const io::Errc why = fd.error().code;
  if (why == io::Errc::cancelled || why == io::Errc::timed_out) co_return false;
  if (why == io::Errc::closed) co_return true;  // that client has gone already
  loop_.log().warn(fmt::format("cannot accept a connection: {}", io::describe(fd.error())));
  static_cast<void>(co_await pause_.wait(loop_.now() + kRetryAfter, stop));
  co_return deadline == io::kNever;
}

void Acceptor::hand_over(io::OwnedFd fd, const io::Address& peer) {
  std::size_t total = 0;
  Connections* fewest = loops_.front();
  for (Connections* const candidate : loops_) {
    total += candidate->size();
    if (candidate->size() < fewest->size()) fewest = candidate;
  }
  if (total < max_connections_) {
    fewest->adopt(fd.release(), peer);
    return;
  }
  if (turned_away_.size() >= kTurnedAwayAtOnce) return;
  io::Socket socket(loop_, std::move(fd));
  turned_away_.spawn(turn_away(std::move(socket)));
}

io::Task<> Acceptor::turn_away(io::Socket socket) {
  const std::stop_token no_stop;
  const io::TimePoint deadline = loop_.now() + kTurnAwayTimeout;
  const io::Result<std::size_t> sent = co_await socket.send_all(as_bytes(kBusy), Bytes{}, deadline, no_stop);
  if (!sent) co_return;
  const io::Result<> ended = co_await socket.shutdown_write();
  if (!ended) co_return;
  // Until the client has read it and closed, or its time is over.
  std::array<std::byte, 1024> discarded;
  while (loop_.now() < deadline) {
    const io::Result<std::size_t> got = co_await socket.receive_some(discarded, deadline, no_stop);
    if (!got || *got == 0) co_return;
  }
}

}  // namespace ringdrop::http
