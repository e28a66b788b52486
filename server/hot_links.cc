#include "server/hot_links.h"

#include <iterator>

namespace ringdrop::server {
namespace {

// What a link takes, roughly: its strings, its plan's fields, and the bookkeeping.
constexpr uint64_t kLinkBytes = 2 * kKiB;

uint64_t cost_of(const HotLink& hot) {
  const db::Link& link = hot.link;
  return kLinkBytes + link.name.size() + link.content_type.size() + link.extents.size() * sizeof(db::Extent) +
         (hot.content ? hot.content->size() : 0);
}

}  // namespace

HotLinks::Ptr HotLinks::find(std::string_view token, uint64_t version, io::EpochMs now_ms) {
  const auto found = by_token_.find(token);
  if (found == by_token_.end()) return nullptr;
  const List::iterator one = found->second;
  const HotLink& hot = **one;
  const bool expired = hot.link.expires_at_ms && *hot.link.expires_at_ms <= now_ms;
  if (hot.version != version || expired) {
    erase(one);
    return nullptr;
  }
  list_.splice(list_.begin(), list_, one);
  (*one)->asked_again = true;
  return *one;
}

HotLinks::Ptr HotLinks::keep(db::Link link, uint64_t version) {
  for (db::Extent& extent : link.extents) extent.checksums = {};
  auto hot = std::make_shared<HotLink>();
  hot->link = std::move(link);
  hot->version = version;
  if (hot->link.max_downloads || cost_of(*hot) > budget_bytes_) return hot;
  const auto old = by_token_.find(hot->link.token);
  if (old != by_token_.end()) erase(old->second);
  list_.push_front(hot);
  by_token_.emplace(hot->link.token, list_.begin());
  used_bytes_ += cost_of(*hot);
  make_room();
  return hot;
}

bool HotLinks::wants_content(const HotLink& hot) const {
  return hot.asked_again && !hot.filling && !hot.content && hot.link.size_bytes <= kMostContentBytes;
}

void HotLinks::keep_content(const Ptr& hot, std::string content) {
  const auto found = by_token_.find(hot->link.token);
  if (found == by_token_.end() || *found->second != hot) return;  // it had to go meanwhile
  used_bytes_ += content.size();
  hot->content = std::make_shared<const std::string>(std::move(content));
  make_room();
}

void HotLinks::erase(List::iterator one) {
  used_bytes_ -= cost_of(**one);
  by_token_.erase((*one)->link.token);
  list_.erase(one);
}

void HotLinks::make_room() {
  while (used_bytes_ > budget_bytes_) erase(std::prev(list_.end()));
}

}  // namespace ringdrop::server
