// What one connection may take of our time and memory. The application's configuration fills it.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/bytes.h"
#include "io/clock.h"
#include "proto/http_parser.h"

namespace ringdrop::http {

struct HttpLimits {
  io::Milliseconds head_timeout{15'000};   // from the first byte of a head to its last
  io::Milliseconds idle_timeout{75'000};   // from the end of an answer to the next request
  io::Milliseconds stall_timeout{60'000};  // a transfer moves min_transfer_bytes in each such time of waiting, or ends
  uint64_t min_transfer_bytes = 60 * 32;
  io::Milliseconds linger_timeout{2'000};  // how long a refused client may still send before the connection goes
  uint64_t drain_bytes = 64 * kKiB;        // rest of an unread body that is read for the connection's sake
  proto::HttpParserLimits parser;
};

// A request that brings no more is a short one, behind which others wait a moment; and on a loop that has many of
// those a longer body is received by as much at a time.
inline constexpr std::size_t kShortBodyBytes = 256 * kKiB;

// How long a transfer may hold a buffer while its peer does not move; then it gives the buffer back and waits without.
inline constexpr io::Milliseconds kBufferPatience{50};

// The stall rule for one direction of one message: time counts only while we wait for the peer, so a slow disk of ours
// is never held against it.
class StallGuard {
 public:
  explicit StallGuard(const HttpLimits& limits) : limits_(&limits), left_(limits.stall_timeout) {}

  // Until when this wait may last; waited() reports its end.
  io::TimePoint begin_wait(io::TimePoint now) {
    began_ = now;
    return now + left_;
  }
  void waited(io::TimePoint now) { left_ -= now - began_; }
  void moved(uint64_t bytes) {
    if (bytes == 0) return;
    moved_ += bytes;
    if (moved_ < limits_->min_transfer_bytes) return;
    moved_ = 0;
    left_ = limits_->stall_timeout;
  }
  bool expired() const { return left_.count() <= 0; }

 private:
  const HttpLimits* limits_;
  std::chrono::nanoseconds left_;
  io::TimePoint began_{};
  uint64_t moved_ = 0;
};

}  // namespace ringdrop::http
