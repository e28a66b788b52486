#include "server/small_contents.h"

#include <algorithm>
#include <utility>

namespace ringdrop::server {

bool HeldContent::try_append(Bytes more) {
  const uint64_t most = all_->most_file_bytes_;
  if (more.size() > most || bytes_.size() > most - more.size()) return false;
  const uint64_t needed = bytes_.size() + more.size();
  if (needed > counted_) {
    // Twice as much for one that comes in many pieces, and never more than a small file has.
    const uint64_t wanted = std::min(std::max(needed, 2 * counted_), most);
    if (wanted - counted_ > all_->budget_bytes_ - all_->held_bytes_) return false;
    std::string larger;
    larger.reserve(wanted);
    larger += bytes_;
    bytes_ = std::move(larger);
    all_->held_bytes_ += wanted - counted_;
    counted_ = wanted;
  }
  bytes_.append(as_text(more));
  return true;
}

}  // namespace ringdrop::server
