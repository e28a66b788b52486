// The connections of one loop: adopted from the acceptor, counted, drained, cut, joined.
#pragma once

#include <atomic>
#include <cstddef>
#include <stop_token>

#include "io/buffer_pool.h"
#include "io/event_loop.h"
#include "io/task_scope.h"
#include "server/http/connection.h"
#include "server/http/limits.h"

namespace ringdrop::http {

class Connections {
 public:
  // All outlive the set.
  Connections(io::EventLoop& loop, io::BufferPool& pool, Handler& handler, const HttpLimits& limits);

  // Any thread: takes a connected socket over. Counted at once, so that the next choice of a loop sees it.
  void adopt(int fd, const io::Address& peer);
  // Any thread.
  std::size_t size() const { return count_.load(std::memory_order_relaxed); }

  io::EventLoop& loop() { return loop_; }

  // On the loop: idle connections end, the others after their answer.
  void drain() { drain_.request_stop(); }
  // On the loop: all end now.
  void cut() { cut_.request_stop(); }
  io::Task<> join() { return scope_.join(); }

 private:
  io::Task<> serve(io::Socket socket, io::Address peer);

  io::EventLoop& loop_;
  HeadBudget heads_;
  const LoopParts parts_;
  std::atomic<std::size_t> count_{0};
  std::stop_source drain_;
  std::stop_source cut_;
  io::TaskScope scope_;
};

}  // namespace ringdrop::http
