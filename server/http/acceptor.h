// Accepts the connections of one listener and hands each to the loop that has the fewest.
#pragma once

#include <cstddef>
#include <span>
#include <stop_token>

#include "io/socket.h"
#include "io/task_scope.h"
#include "server/http/connections.h"

namespace ringdrop::http {

class Acceptor {
 public:
  // `loops` has at least one element; all of them together hold at most `max_connections`: above it a connection is
  // accepted, answered 503 with Retry-After, and closed. All outlive the acceptor.
  Acceptor(io::EventLoop& loop, io::Listener listener, std::span<Connections* const> loops,
           std::size_t max_connections);

  // Accepts until `stop`, then takes what the kernel has queued already, then closes the listener.
  io::Task<> run(std::stop_token stop);

 private:
  io::Task<bool> accept_one(io::TimePoint deadline, const std::stop_token& stop);
  io::Task<> turn_away(io::Socket socket);
  void hand_over(io::OwnedFd fd, const io::Address& peer);

  io::EventLoop& loop_;
  io::Listener listener_;
  std::span<Connections* const> loops_;
  std::size_t max_connections_;
  io::WaitList pause_;
  io::TaskScope turned_away_;
};

}  // namespace ringdrop::http
