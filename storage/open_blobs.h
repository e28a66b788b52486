// Ready blobs' files that stay open for a moment after a download: the next one of the same file asks the disk for
// nothing but bytes. One loop's. What nobody has read for one or two rounds of upkeep is closed, so that the space of a
// deleted file is soon free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <utility>

#include "io/file.h"
#include "storage/blob_id.h"

namespace ringdrop::storage {

class OpenBlobs {
 public:
  using Ptr = std::shared_ptr<io::File>;

  explicit OpenBlobs(std::size_t most) : most_(most) {}

  // nullptr: it is not open, or was opened with another length.
  Ptr find(BlobId id, uint64_t length_bytes) {
    const auto found = open_.find(id);
    if (found == open_.end() || found->second.length_bytes != length_bytes) return nullptr;
    found->second.used = true;
    return found->second.file;
  }

  // `file` was found to be a regular one of that length. Above the bound it is its reader's alone.
  void keep(BlobId id, uint64_t length_bytes, Ptr file) {
    if (open_.size() < most_) open_.insert_or_assign(id, Open{std::move(file), length_bytes});
  }

  void forget(BlobId id) { open_.erase(id); }
  void forget_all() { open_.clear(); }
  // What was not used since the last call.
  void forget_unused() {
    for (auto one = open_.begin(); one != open_.end();) {
      const bool used = std::exchange(one->second.used, false);
      one = used ? std::next(one) : open_.erase(one);
    }
  }

 private:
  struct Open {
    Ptr file;
    uint64_t length_bytes = 0;
    bool used = true;  // since the last upkeep
  };

  const std::size_t most_;
  std::map<BlobId, Open> open_;
};

}  // namespace ringdrop::storage
