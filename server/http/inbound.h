// The receiving half of a connection: bytes that have arrived and are not used yet. A wait for the peer holds no
// buffer; a small one is leased when bytes are there and given back when they are used up.
#pragma once

#include <cstddef>
#include <optional>
#include <stop_token>

#include "base/bytes.h"
#include "io/buffer_pool.h"
#include "io/socket.h"
#include "io/task.h"

namespace ringdrop::http {

class Inbound {
 public:
  Inbound(io::EventLoop& loop, io::BufferPool& pool, io::Socket& socket) : loop_(loop), pool_(pool), socket_(socket) {}

  Bytes unused() const { return unused_; }
  void consume(std::size_t bytes) {
    unused_ = unused_.subspan(bytes);
    if (unused_.empty()) buffer_.reset();
  }

  // Waits for bytes and receives some; precondition: unused() is empty. false: the peer has ended its half.
  // closed, timed_out, cancelled.
  io::Task<io::Result<bool>> fill(io::TimePoint deadline, const std::stop_token& stop);

  io::Socket& socket() { return socket_; }
  io::EventLoop& loop() { return loop_; }

 private:
  io::EventLoop& loop_;
  io::BufferPool& pool_;
  io::Socket& socket_;
  std::optional<io::Buffer> buffer_;
  Bytes unused_;  // within *buffer_
};

}  // namespace ringdrop::http
