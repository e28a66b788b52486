#include "server/hot_links.h"

#include <iterator>

namespace ringdrop::server {
namespace {

// What a link takes, roughly: its strings, the lines of its answer's head, and the bookkeeping.
constexpr uint64_t kLinkBytes = 3 * kKiB;
// How much of the budget may be on its way from the disk, beside what is here.
constexpr uint64_t kPartForCollecting = 8;

uint64_t cost_of(const HotLink& hot) {
  const db::Link& link = hot.link;
  return kLinkBytes + link.name.size() + link.content_type.size() + link.extents.size() * sizeof(db::Extent) +
         (hot.content ? hot.content->size() : 0);
}

}  // namespace

HotLinks::Ptr HotLinks::find(std::string_view token, uint64_t version, io::EpochMs now_ms) {
  const auto found = by_token_.find(token);
  if (found == by_token_.end()) return nullptr;
  HotLink& hot = *found->second.hot;
  const bool expired = hot.link.expires_at_ms && *hot.link.expires_at_ms <= now_ms;
  if (hot.version != version || expired) {
    erase(found);
    return nullptr;
  }
  hot.asked_again = hot.asked_lately = true;
  return found->second.hot;
}

HotLinks::Ptr HotLinks::keep(db::Link link, uint64_t version) {
  for (db::Extent& extent : link.extents) std::string().swap(extent.checksums);  // an assignment keeps the memory
  auto hot = std::make_shared<HotLink>();
  if (link.content) {
    hot->content = std::make_shared<const std::string>(std::move(link.content->bytes));
    link.content.reset();
  }
  hot->link = std::move(link);
  hot->version = version;
  if (hot->link.max_downloads || cost_of(*hot) > budget_bytes_) return hot;
  const auto old = by_token_.find(hot->link.token);
  if (old != by_token_.end()) erase(old);
  make_room(cost_of(*hot));  // before it is there: it is not among those that go
  list_.push_front(hot.get());
  by_token_.emplace(hot->link.token, Kept{hot, list_.begin()});
  used_bytes_ += cost_of(*hot);
  return hot;
}

bool HotLinks::start_collecting(HotLink& hot) {
  const bool wanted = hot.asked_again && !hot.filling && !hot.content && hot.link.size_bytes <= kMostContentBytes;
  if (!wanted || collecting_bytes_ + hot.link.size_bytes > budget_bytes_ / kPartForCollecting) return false;
  collecting_bytes_ += hot.link.size_bytes;
  hot.filling = true;
  return true;
}

void HotLinks::stop_collecting(HotLink& hot) {
  collecting_bytes_ -= hot.link.size_bytes;
  hot.filling = false;
}

void HotLinks::keep_content(const Ptr& hot, std::string content) {
  const auto found = by_token_.find(hot->link.token);
  if (found == by_token_.end() || found->second.hot != hot) return;  // it had to go meanwhile
  used_bytes_ += content.size();
  hot->content = std::make_shared<const std::string>(std::move(content));
  make_room(0);
}

void HotLinks::erase(ByToken::iterator one) {
  const Kept kept = one->second;  // the key is within
  used_bytes_ -= cost_of(*kept.hot);
  // Whoever sends it at this moment has it still, and no longer than that. Without a file nothing else has it.
  if (!kept.hot->link.extents.empty()) kept.hot->content.reset();
  by_token_.erase(one);
  list_.erase(kept.place);
}

void HotLinks::make_room(uint64_t bytes) {
  std::size_t chances = kMostSecondChances;
  while (used_bytes_ + bytes > budget_bytes_) {
    HotLink& next = *list_.back();
    if (std::exchange(next.asked_lately, false) && chances > 0) {
      --chances;
      list_.splice(list_.begin(), list_, std::prev(list_.end()));
    } else {
      erase(by_token_.find(next.link.token));
    }
  }
}

}  // namespace ringdrop::server
