// How long a loop was busy between two waits, at most: what everybody on it had to wait for. Written by the loop, read
// by any thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>

#include "io/clock.h"

namespace ringdrop::io {

class BusyTime {
 public:
  // The loop went to wait at `now`, having been busy since `woke`.
  void record(TimePoint woke, TimePoint now) {
    if (now - window_began_ >= kWindow) {
      previous_ = now - window_began_ >= 2 * kWindow ? std::chrono::nanoseconds(0) : current_;
      current_ = std::chrono::nanoseconds(0);
      window_began_ = now;
    }
    current_ = std::max(current_, std::chrono::nanoseconds(now - woke));
    longest_.store(std::max(current_, previous_), std::memory_order_relaxed);
  }

  // The longest of the last minute, or of up to two.
  std::chrono::nanoseconds longest() const { return longest_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::chrono::seconds kWindow{60};

  TimePoint window_began_{};
  std::chrono::nanoseconds current_{0};
  std::chrono::nanoseconds previous_{0};
  std::atomic<std::chrono::nanoseconds> longest_{};
};

}  // namespace ringdrop::io
