// How much a paced connection may send or receive, and when it may go on: each has a step of bytes an interval, so
// short that it is nearly a flow, and in the interval a place of its own, so that those of a run do not all come at
// once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace load {

using Nanoseconds = uint64_t;  // of CLOCK_MONOTONIC

class Pace {
 public:
  // As fast as it goes.
  Pace() = default;

  // `bytes_a_second`: 0 is as fast as it goes. It is that of the connection `number` (from 0) of `count`.
  Pace(uint64_t bytes_a_second, std::size_t number, std::size_t count) {
    if (bytes_a_second == 0) return;
    interval_ = std::clamp(kLeastStep * kSecond / bytes_a_second, kShortest, kLongest);
    step_ = std::max<uint64_t>(1, static_cast<uint64_t>(static_cast<double>(bytes_a_second) *
                                                        static_cast<double>(interval_) / static_cast<double>(kSecond)));
    shift_ = interval_ * number / count;
  }

  bool is_limited() const { return step_ > 0; }

  // How many bytes may have gone until `now` of what began at `start`. From one step to the next it is the same: what
  // would have flowed by the end of the interval that `now` is in.
  uint64_t allowed(Nanoseconds start, Nanoseconds now) const {
    return (steps(now) + 1 - steps(start)) * step_ - (start + shift_) % interval_ * step_ / interval_;
  }

  // When it is next more.
  Nanoseconds next_step(Nanoseconds now) const { return (steps(now) + 1) * interval_ - shift_; }

 private:
  static constexpr Nanoseconds kSecond = 1'000'000'000;
  // The server is to have few bytes of a connection to take or to send at a time, and who makes the load with a
  // thousand slow connections is not to wake for a few bytes each.
  static constexpr Nanoseconds kShortest = kSecond / 200;
  static constexpr Nanoseconds kLongest = kSecond / 2;
  static constexpr uint64_t kLeastStep = 8 << 10;

  uint64_t steps(Nanoseconds time) const { return (time + shift_) / interval_; }

  Nanoseconds interval_ = kSecond;
  uint64_t step_ = 0;
  Nanoseconds shift_ = 0;
};

}  // namespace load
