// The world's chance: one small generator (SplitMix64) whose whole state is the seed, so that a run can be repeated on
// any machine and with any standard library.
#pragma once

#include <cstdint>

namespace ringdrop::sim {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  // 0 <= result < bound; bound > 0.
  uint64_t below(uint64_t bound) { return next() % bound; }
  // low <= result <= high.
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
  bool one_in(uint64_t n) { return below(n) == 0; }

 private:
  uint64_t state_;
};

}  // namespace ringdrop::sim
