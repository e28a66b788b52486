// How often each latency was seen, in buckets that are linear within a power of two (as HdrHistogram's): any quantile
// is known to 1 %, in 60 KiB whatever is recorded. One thread writes; add() joins what several have.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace load {

class Histogram {
 public:
  void record(uint64_t value) {
    ++buckets_[index_of(value)];
    ++count_;
    sum_ += static_cast<double>(value);
    max_ = std::max(max_, value);
  }

  void add(const Histogram& other) {
    for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    max_ = std::max(max_, other.max_);
  }

  // The least value that `part` (0 to 1) of all do not exceed, rounded up to its bucket's end; 0 when there is none.
  uint64_t quantile(double part) const {
    const auto wanted = std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(part * static_cast<double>(count_))));
    uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen >= wanted) return std::min(last_of(i), max_);
    }
    return max_;
  }

  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }
  double mean() const { return count_ > 0 ? sum_ / static_cast<double>(count_) : 0; }

 private:
  static constexpr unsigned kLinearBits = 7;
  static constexpr std::size_t kLinear = std::size_t{1} << kLinearBits;

  // Values below kLinear have a bucket each; above, kLinear buckets a power of two.
  static std::size_t index_of(uint64_t value) {
    if (value < kLinear) return value;
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - (kLinearBits + 1);
    return shift * kLinear + static_cast<std::size_t>(value >> shift);
  }
  static uint64_t last_of(std::size_t index) {
    if (index < kLinear) return index;
    const std::size_t shift = index / kLinear - 1;
    return ((uint64_t{index % kLinear} + kLinear + 1) << shift) - 1;
  }

  std::vector<uint64_t> buckets_ = std::vector<uint64_t>((64 - kLinearBits + 1) * kLinear);
  uint64_t count_ = 0;
  uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace load
