// So many bytes a second and no more; what was not used is not made up for.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace ringdrop::server {

class Pace {
 public:
  // 0: as fast as it goes.
  explicit Pace(uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}

  // How long to wait after moving so many bytes.
  std::chrono::milliseconds after(uint64_t bytes) {
    if (bytes_per_second_ == 0) return std::chrono::milliseconds(0);
    const Clock::time_point now = Clock::now();
    due_ = std::max(due_, now - kForgottenAfter);
    due_ += std::chrono::nanoseconds(
        static_cast<int64_t>(1e9 * static_cast<double>(bytes) / static_cast<double>(bytes_per_second_)));
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::max(due_ - now, Clock::duration(0)));
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kForgottenAfter{200};

  const uint64_t bytes_per_second_;
  Clock::time_point due_;
};

}  // namespace ringdrop::server
