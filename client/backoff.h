// How long to wait before the next attempt: twice as long each time, with chance in it, so that many clients of a
// server that comes back do not come at once. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "io/clock.h"

namespace ringdrop::client {

class Backoff {
 public:
  static constexpr io::Milliseconds kShortest{500};
  static constexpr io::Milliseconds kLongest{30'000};

  // Between half of the delay that is due and all of it; `random` is uniform over all values.
  io::Milliseconds next(uint64_t random) {
    const io::Milliseconds most = delay_;
    delay_ = std::min(2 * delay_, kLongest);
    const auto half = static_cast<uint64_t>(most.count()) / 2;
    return most - io::Milliseconds(static_cast<int64_t>(random % (half + 1)));
  }
  // There was progress.
  void reset() { delay_ = kShortest; }

 private:
  io::Milliseconds delay_ = kShortest;
};

}  // namespace ringdrop::client
