#include "server/progress_hub.h"

#include <utility>
#include <vector>

namespace ringdrop::server {

// The records' deleters lock the mutex, so they go before it.
ProgressHub::~ProgressHub() {
  std::deque<Ended> last;
  const std::lock_guard lock(mutex_);
  last.swap(ended_);
}

ProgressHub::Ptr ProgressHub::make(std::string_view watch_id) {
  Ptr made(new ProgressRecord(std::string(watch_id)), [this](ProgressRecord* record) { forget(record); });
  // Uploads without a watch id have nothing in common.
  if (!watch_id.empty()) records_.insert_or_assign(std::string(watch_id), made);
  return made;
}

void ProgressHub::forget(ProgressRecord* record) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = records_.find(record->watch_id());
    // Another one of the same id may be there by now.
    if (found != records_.end() && found->second.expired()) records_.erase(found);
  }
  delete record;
}

ProgressHub::Ptr ProgressHub::announce(std::string_view watch_id) {
  Ptr there;  // lives longer than the lock: its deleter takes it
  const std::lock_guard lock(mutex_);
  const auto found = records_.find(watch_id);
  if (found != records_.end()) there = found->second.lock();
  if (there && there->sample().state != ProgressState::failed) return nullptr;
  return make(watch_id);
}

ProgressHub::Ptr ProgressHub::open(std::string_view watch_id) {
  const std::lock_guard lock(mutex_);
  const auto found = records_.find(watch_id);
  Ptr there = found == records_.end() ? nullptr : found->second.lock();
  return there ? there : make(watch_id);
}

ProgressHub::Ptr ProgressHub::find(std::string_view watch_id) {
  const std::lock_guard lock(mutex_);
  const auto found = records_.find(watch_id);
  return found == records_.end() ? nullptr : found->second.lock();
}

void ProgressHub::keep(Ptr ended, io::TimePoint until) {
  Ended oldest;  // outlives the lock
  const std::lock_guard lock(mutex_);
  ended_.push_back({std::move(ended), until});
  if (ended_.size() <= kMostEnded) return;
  oldest = std::move(ended_.front());
  ended_.pop_front();
}

void ProgressHub::forget_ended(io::TimePoint now) {
  std::vector<Ended> forgotten;  // outlives the lock
  const std::lock_guard lock(mutex_);
  while (!ended_.empty() && ended_.front().until <= now) {
    forgotten.push_back(std::move(ended_.front()));
    ended_.pop_front();
  }
}

}  // namespace ringdrop::server
