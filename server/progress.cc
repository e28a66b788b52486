#include "server/progress.h"

namespace ringdrop::server {

std::string_view name_of(ProgressState state) {
  switch (state) {
    case ProgressState::waiting:
      return "waiting";
    case ProgressState::receiving:
      return "receiving";
    case ProgressState::paused:
      return "paused";
    case ProgressState::finishing:
      return "finishing";
    case ProgressState::complete:
      return "complete";
    case ProgressState::failed:
      return "failed";
    case ProgressState::cancelled:
      return "cancelled";
  }
  return "";
}

Progress ProgressRecord::sample() const {
  Progress now;
  const std::lock_guard lock(mutex_);
  now.state = state_;
  now.bytes_stored = bytes_stored_.load(std::memory_order_relaxed);
  const uint64_t total = total_.load(std::memory_order_relaxed);
  if (total != kUnknown) now.bytes_total = total;
  now.token = token_;
  now.name = name_;
  now.reason = reason_;
  return now;
}

void ProgressRecord::begin_paused(uint64_t bytes, std::optional<uint64_t> total) {
  const std::lock_guard lock(mutex_);
  uint64_t none = 0;
  // A request that has come meanwhile knows better.
  if (state_ != ProgressState::waiting || !bytes_stored_.compare_exchange_strong(none, bytes)) return;
  if (bytes > 0) state_ = ProgressState::paused;
  set_durable(bytes);
  set_total(total);
}

void ProgressRecord::begin_ended(const Progress& progress) {
  const std::lock_guard lock(mutex_);
  if (has_ended(state_)) return;
  state_ = progress.state;
  bytes_stored_.store(progress.bytes_stored, std::memory_order_relaxed);
  set_total(progress.bytes_total);
  token_ = progress.token;
  name_ = progress.name;
  reason_ = progress.reason;
}

void ProgressRecord::set_state(ProgressState state) {
  const std::lock_guard lock(mutex_);
  if (!has_ended(state_)) state_ = state;
}

void ProgressRecord::complete(const db::Link* link) {
  const std::lock_guard lock(mutex_);
  if (has_ended(state_)) return;
  state_ = ProgressState::complete;
  total_.store(bytes_stored_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  if (!link) return;
  token_ = link->token;
  name_ = link->name;
}

void ProgressRecord::fail(std::string_view reason) {
  const std::lock_guard lock(mutex_);
  if (has_ended(state_)) return;
  state_ = ProgressState::failed;
  reason_ = reason;
}

void ProgressRecord::cancel() {
  const std::lock_guard lock(mutex_);
  if (!has_ended(state_)) state_ = ProgressState::cancelled;
}

}  // namespace ringdrop::server
