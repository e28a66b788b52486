// The receiving half of a connection: bytes that have arrived and are not used yet. A wait for the peer holds no
// buffer; a small one is leased when bytes are there and given back when they are used up. A short request needs none.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <vector>

#include "base/bytes.h"
#include "io/buffer_pool.h"
#include "io/socket.h"
#include "io/task.h"

namespace ringdrop::http {

// What is kept of requests that a client has sent behind one whose answer it does not read: some ten small ones.
inline constexpr std::size_t kSetAsideBytes = 2 * kKiB;
// A request shorter than this comes along with the completion that tells of it: one operation instead of a poll and a
// receive, for memory that every connection has. curl sends 80 bytes, a browser 400 to 900.
inline constexpr std::size_t kShortRequestBytes = 512;
// What may come behind a body whose end was not known when it was received.
inline constexpr std::size_t kMostPutBackBytes = io::kSmallBufferBytes;

class Inbound {
 public:
  Inbound(io::EventLoop& loop, io::BufferPool& pool, io::Socket& socket) : loop_(loop), pool_(pool), socket_(socket) {}

  Bytes unused() const { return unused_; }
  void consume(std::size_t bytes);

  // Waits until receive() has something to take: bytes or the peer's end. closed, timed_out, cancelled.
  io::Task<io::Result<>> wait(io::TimePoint deadline, const std::stop_token& stop);
  // The same, where a request is what comes: its first bytes are taken at once, for take_short_request() and receive().
  io::Task<io::Result<>> wait_for_request(io::TimePoint deadline, const std::stop_token& stop);
  // Takes a short request that wait_for_request() has brought; precondition: unused() is empty. false: there is none,
  // or more of it is to come: receive().
  bool take_short_request();
  // Takes some of what is there; precondition: unused() is empty, and after wait_for_request() take_short_request() has
  // said no. false: the peer has ended its half. Waits for a buffer of ours, until `deadline`: exhausted. closed,
  // timed_out (nothing was there after all), cancelled.
  io::Task<io::Result<bool>> receive(io::TimePoint deadline, const std::stop_token& stop);

  // These were received elsewhere and not used: at most kMostPutBackBytes. Precondition: unused() is empty. Without a
  // buffer for them at once they are set aside.
  void put_back(Bytes bytes);
  // Gives the buffer back though bytes in it are unused, before a wait for the peer to read: they move to memory of
  // their own. More than kSetAsideBytes are dropped, and nothing is received any more.
  void set_aside();
  // Bytes were dropped: the connection must end behind the answer that is being sent.
  bool has_dropped() const { return dropped_; }

  // The last receive() has filled its buffer: the peer sends faster than it is read.
  bool has_more_waiting() const { return more_waiting_; }

  io::Socket& socket() { return socket_; }
  io::EventLoop& loop() { return loop_; }

 private:
  void keep_aside(Bytes bytes);

  io::EventLoop& loop_;
  io::BufferPool& pool_;
  io::Socket& socket_;
  std::optional<io::Buffer> buffer_;
  std::vector<std::byte> aside_;
  std::array<std::byte, kShortRequestBytes> first_;
  std::size_t first_bytes_ = 0;  // in first_, brought by wait_for_request() and not taken yet
  bool ended_ = false;           // as wait_for_request() has seen
  Bytes unused_;                 // within *buffer_, aside_ or first_
  bool dropped_ = false;
  bool more_waiting_ = false;
};

}  // namespace ringdrop::http
