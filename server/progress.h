// How far an upload has come, for anyone who has its watch id: written by the request that has the upload, sampled by
// watchers. No queue, no message: the hot path is one relaxed store a write.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "db/link.h"

namespace ringdrop::server {

enum class ProgressState : uint8_t {
  waiting,    // announced, nothing has come yet
  receiving,  // a request brings bytes
  paused,     // unfinished, no request runs
  finishing,  // all bytes are there, not yet durable under a link
  complete,
  failed,  // `reason`
  cancelled,
};
// "waiting", "receiving", ...
std::string_view name_of(ProgressState state);
// Nothing follows.
constexpr bool has_ended(ProgressState state) {
  return state >= ProgressState::complete;
}

// One sample.
struct Progress {
  ProgressState state = ProgressState::waiting;
  uint64_t bytes_stored = 0;  // completed writes
  std::optional<uint64_t> bytes_total;
  // Of a complete one: its link's token and name; "" of a part of a concatenation.
  std::string token;
  std::string name;
  std::string reason;  // of a failed one: digest_mismatch, size_limit_exceeded, storage_full, expired, no_upload,
                       // broken_off
  bool operator==(const Progress&) const = default;
};

// Any thread may read; one request at a time writes.
class ProgressRecord {
 public:
  explicit ProgressRecord(std::string watch_id) : watch_id_(std::move(watch_id)) {}

  const std::string& watch_id() const { return watch_id_; }
  Progress sample() const;

  // The counter that a BlobWriter reports to.
  std::atomic<uint64_t>& bytes_stored() { return bytes_stored_; }
  // Bytes that a crash would leave.
  void set_durable(uint64_t bytes) { durable_.store(bytes, std::memory_order_relaxed); }
  uint64_t durable() const { return durable_.load(std::memory_order_relaxed); }
  void set_total(std::optional<uint64_t> bytes) { total_.store(bytes.value_or(kUnknown), std::memory_order_relaxed); }
  // Nobody has told it anything yet: what a process before this one has left.
  void begin_paused(uint64_t bytes, std::optional<uint64_t> total);
  // It had ended before: what the catalogue knows of it.
  void begin_ended(const Progress& progress);
  // One that has not ended.
  void set_state(ProgressState state);
  // The ends; the first one stays.
  void complete(const db::Link* link);
  void fail(std::string_view reason);
  void cancel();

 private:
  static constexpr uint64_t kUnknown = UINT64_MAX;

  const std::string watch_id_;
  std::atomic<uint64_t> bytes_stored_{0};
  std::atomic<uint64_t> durable_{0};
  std::atomic<uint64_t> total_{kUnknown};
  mutable std::mutex mutex_;  // of what changes a few times in an upload's life
  ProgressState state_ = ProgressState::waiting;
  std::string token_;
  std::string name_;
  std::string reason_;
};

}  // namespace ringdrop::server
