// Links that are asked for often, and the content of the small ones: one loop's, in a bounded piece of memory. A GET of
// such a link asks neither catalogue nor disk. What is found here is as true as what the catalogue would say: each
// change of a link gives it another version (db::LinkVersions) before it is acknowledged, expiry is looked at each
// time, and a link with a limit of downloads is never kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/bytes.h"
#include "db/link.h"
#include "io/clock.h"
#include "server/download_counts.h"
#include "server/download_plan.h"

namespace ringdrop::server {

struct HotLink {
  db::Link link;  // without checksums and content
  uint64_t version = 0;
  bool asked_again = false;   // found here at least once
  bool asked_lately = false;  // since it was the next to go
  bool filling = false;       // a download collects the content
  DownloadCounts::Place count;
  std::optional<DownloadPlan> plain;           // for requests that ask for nothing special, once there was one
  std::shared_ptr<const std::string> content;  // all of it, or nullptr; never that for a link without extents
};

class HotLinks {
 public:
  using Ptr = std::shared_ptr<HotLink>;
  // Larger files are kept by the kernel alone, unless they came with their link.
  static constexpr uint64_t kMostContentBytes = 16 * kKiB;
  // How many that were asked for are spared by one that needs room: the loop waits for it, however many there are.
  static constexpr std::size_t kMostSecondChances = 32;

  explicit HotLinks(uint64_t budget_bytes) : budget_bytes_(budget_bytes) {}

  // nullptr: not here, or no longer true. `version`: of now.
  Ptr find(std::string_view token, uint64_t version, io::EpochMs now_ms);
  // What the catalogue has told; `version`: from before it was asked. Kept when it may be.
  Ptr keep(db::Link link, uint64_t version);
  // Whether a download of it is to collect the content: one does, when it was asked for more than once, and all that
  // collect at a time are bounded. true: stop_collecting() comes.
  bool start_collecting(HotLink& hot);
  void stop_collecting(HotLink& hot);
  // Kept while `hot` is.
  void keep_content(const Ptr& hot, std::string content);

  uint64_t used_bytes() const { return used_bytes_; }

 private:
  // The next one to go is the last. One that was asked for meanwhile has a second chance, at the front, unless too many
  // have it at once: nearly as good as the order of asking, and a link that is found is all that is touched.
  using List = std::list<HotLink*>;
  struct Kept {
    Ptr hot;
    List::iterator place;
  };
  using ByToken = std::unordered_map<std::string_view, Kept>;  // views into the links

  void erase(ByToken::iterator one);
  // For so many bytes beside those that are used; at most the budget.
  void make_room(uint64_t bytes);

  const uint64_t budget_bytes_;
  uint64_t used_bytes_ = 0;
  uint64_t collecting_bytes_ = 0;
  List list_;
  ByToken by_token_;
};

}  // namespace ringdrop::server
