// The bytes of small files between their arrival and the row that holds them (db::Content): such a file costs no entry,
// no inode and no sync of its own. One loop's, in a bounded piece of memory; what does not fit goes to a blob.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/bytes.h"

namespace ringdrop::server {

class SmallContents {
 public:
  // Files of at most `most_file_bytes`, 0: none but empty ones; `budget_bytes` of all that are held.
  SmallContents(uint64_t most_file_bytes, uint64_t budget_bytes)
      : most_file_bytes_(most_file_bytes), budget_bytes_(budget_bytes) {}

  uint64_t most_file_bytes() const { return most_file_bytes_; }
  uint64_t held_bytes() const { return held_bytes_; }

 private:
  friend class HeldContent;

  const uint64_t most_file_bytes_;
  const uint64_t budget_bytes_;
  uint64_t held_bytes_ = 0;
};

// The bytes of one file so far. Counted until it is destroyed.
class HeldContent {
 public:
  // `all` outlives it.
  explicit HeldContent(SmallContents& all) : all_(&all) {}
  ~HeldContent() { all_->held_bytes_ -= counted_; }
  HeldContent(HeldContent&& other) noexcept
      : all_(other.all_), counted_(std::exchange(other.counted_, 0)), bytes_(std::move(other.bytes_)) {}
  HeldContent& operator=(HeldContent&&) = delete;

  // false: the file would be no small one, or too much be held at a time; nothing was added.
  bool try_append(Bytes more);
  const std::string& bytes() const { return bytes_; }
  // Moves them on to where they are written; they stay counted.
  std::string take() { return std::move(bytes_); }

 private:
  SmallContents* all_;
  uint64_t counted_ = 0;  // what the string can hold
  std::string bytes_;
};

}  // namespace ringdrop::server
