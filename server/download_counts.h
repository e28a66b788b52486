// What downloads leave to be written to the catalogue, collected on one loop: finished ones of unlimited links, counted
// together about once a second (a popular link costs one small write, not one each time; what a crash takes with it is
// not counted), and ended ones of limited links that could not be settled at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "db/link_table.h"

namespace ringdrop::server {

class DownloadCounts {
 public:
  // Where a link's downloads are counted until the next take(): with what else is kept of the link, so that it need not
  // be looked for each time.
  struct Place {
    uint64_t round = 0;
    uint64_t* count = nullptr;
  };
  void add(const std::string& token, Place& place) {
    if (place.round != round_) {
      const auto found = counts_.find(token);
      if (found == counts_.end() && counts_.size() >= kMostCounted) return;
      place = {round_, found != counts_.end() ? &found->second : &counts_[token]};
    }
    ++*place.count;
  }
  // Links.
  std::size_t size() const { return counts_.size(); }
  // Those of at most so many links; nobody else has them any more.
  std::vector<db::DownloadCount> take(std::size_t most) {
    std::vector<db::DownloadCount> counts;
    while (counts.size() < most && !counts_.empty()) {
      const auto first = counts_.begin();
      counts.push_back({first->first, first->second});
      counts_.erase(first);
    }
    ++round_;
    return counts;
  }
  // They were taken and are not written. What has no room any more is not counted.
  void put_back(const std::vector<db::DownloadCount>& counts) {
    for (const auto& [token, downloads] : counts) {
      if (counts_.size() < kMostCounted || counts_.contains(token)) counts_[token] += downloads;
    }
  }

  struct Unsettled {
    std::string token;
    bool completed;
  };
  // Above the bound it is the next start's to settle.
  void add_unsettled(std::string_view token, bool completed) {
    if (unsettled_.size() < kMostUnsettled) unsettled_.push_back({std::string(token), completed});
  }
  std::vector<Unsettled> take_unsettled() { return std::exchange(unsettled_, {}); }

 private:
  // Different links that wait to be written; the count is approximate, memory is not.
  static constexpr std::size_t kMostCounted = 10'000;
  static constexpr std::size_t kMostUnsettled = 1'000;

  std::unordered_map<std::string, uint64_t> counts_;  // by token; an element stays where it is
  uint64_t round_ = 1;                                // of counting, from one take() to the next
  std::vector<Unsettled> unsettled_;
};

}  // namespace ringdrop::server
