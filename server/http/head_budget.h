// What the large request heads of one loop's connections may hold together. A head is kept while its request is served,
// outside the buffer pool; one of ordinary size is taken for granted (max_connections bounds those), what is above that
// is charged here, so that memory follows the configuration and not what strangers send.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace ringdrop::http {

// Cookies and a proxy's fields included, requests stay below this.
inline constexpr std::size_t kOrdinaryHeadBytes = 4 * kKiB;

class HeadBudget {
 public:
  explicit HeadBudget(uint64_t bytes) : left_bytes_(bytes) {}

  uint64_t left_bytes() const { return left_bytes_; }

 private:
  friend class HeadCharge;
  uint64_t left_bytes_;
};

// The part of one connection's head; given back by reset() and at the end.
class HeadCharge {
 public:
  explicit HeadCharge(HeadBudget& budget) : budget_(budget) {}
  ~HeadCharge() { reset(); }
  HeadCharge(const HeadCharge&) = delete;
  HeadCharge& operator=(const HeadCharge&) = delete;

  // `bytes` more of this head are kept; false: there is no room for them now.
  bool add(std::size_t bytes) {
    head_bytes_ += bytes;
    const uint64_t above = head_bytes_ - std::min(head_bytes_, kOrdinaryHeadBytes);
    if (above - charged_bytes_ > budget_.left_bytes_) return false;
    budget_.left_bytes_ -= above - charged_bytes_;
    charged_bytes_ = above;
    return true;
  }
  void reset() {
    budget_.left_bytes_ += charged_bytes_;
    charged_bytes_ = 0;
    head_bytes_ = 0;
  }

 private:
  HeadBudget& budget_;
  std::size_t head_bytes_ = 0;
  uint64_t charged_bytes_ = 0;
};

}  // namespace ringdrop::http
