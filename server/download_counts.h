// Finished downloads of unlimited links, collected on one loop and written to the catalogue together, about once a
// second: a popular link costs one small write, not one each time. What a crash takes with it is not counted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "db/link_table.h"

namespace ringdrop::server {

class DownloadCounts {
 public:
  void add(std::string_view token) {
    const auto found = std::ranges::find(counts_, token, &db::DownloadCount::token);
    if (found != counts_.end()) {
      ++found->downloads;
    } else if (counts_.size() < kMostLinks) {
      counts_.push_back({std::string(token), 1});
    }
  }
  std::vector<db::DownloadCount> take() { return std::exchange(counts_, {}); }

 private:
  // Different links within one second; the count is approximate, memory is not.
  static constexpr std::size_t kMostLinks = 1'000;

  std::vector<db::DownloadCount> counts_;
};

}  // namespace ringdrop::server
