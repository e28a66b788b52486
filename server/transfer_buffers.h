// Which buffer a transfer gets next: it starts on small ones, is lent a large one when it shows to be fast, and goes
// back to small ones when a large one is not filled (or not sent) in time. A peer that flips between the two has to
// prove itself for longer each time, so slow clients never hold the large buffers.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>

#include "io/buffer_pool.h"
#include "io/clock.h"
#include "io/task.h"
#include "server/http/limits.h"

namespace ringdrop::server {

// A small buffer that fills within this time belongs to a fast peer: 8 MB/s or more.
inline constexpr io::Milliseconds kSmallBufferPatience{2};

class TransferBuffers {
 public:
  // `proven`: the peer has shown already that it fills a small one.
  TransferBuffers(io::BufferPool& pool, io::BufferPool::Use use, bool proven = false)
      : pool_(pool), use_(use), proof_(proven ? 1 : 0) {}

  // The next buffer; a large one only when more than a small one's worth is left. A transfer never waits for a large
  // one. Waits for a small one until `deadline`: timed_out, cancelled.
  io::Task<io::Result<io::Buffer>> next(bool much_left, io::TimePoint deadline, std::stop_token stop);

  // How long to wait for the peer with that buffer in hand.
  static io::Milliseconds patience(const io::Buffer& buffer) {
    return buffer.size() == io::kLargeBufferBytes ? http::kBufferPatience : kSmallBufferPatience;
  }
  // Whether the peer kept up with it.
  void report(const io::Buffer& buffer, bool kept_up);

 private:
  static constexpr uint32_t kMostProof = 64;  // small buffers in a row

  io::BufferPool& pool_;
  io::BufferPool::Use use_;
  uint32_t proof_needed_ = 1;
  uint32_t proof_;
};

}  // namespace ringdrop::server
