// Files of one directory appear in another one, each in the cheapest way that there is. Blocking, for commands.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "io/error.h"
#include "io/local_files.h"

namespace ringdrop::io {

// How a file came into another directory.
enum class Duplication : uint8_t {
  reflink,    // shares its blocks until one of both is written
  hard_link,  // is the same file
  copy,
};

class FileDuplicator {
 public:
  // `between` is asked after each piece that is copied, a MiB at most, with its bytes: false ends the copy.
  explicit FileDuplicator(std::function<bool(uint64_t)> between, Duplication cheapest = Duplication::reflink)
      : between_(std::move(between)), cheapest_(cheapest) {}

  // `file` is what `name` is in `from`. A reflink and a copy are durable but for their entry; a hard link after
  // LocalDirectory::sync_file_system(), since nobody knows whether the file was ever synced. A way that was impossible
  // once is not tried again. Nothing of the name is left when it fails.
  // cancelled; not_found: `name` has gone meanwhile; corrupt: the file cannot be read to its end. no_space, exists,
  // exhausted, system: of `to`.
  Result<Duplication> duplicate(const LocalDirectory& from, const std::string& name, const ScannedFile& file,
                                const LocalDirectory& to);

 private:
  Result<> make(const LocalDirectory& to, const std::string& name, const ScannedFile& file, bool by_reflink) const;

  const std::function<bool(uint64_t)> between_;
  Duplication cheapest_;
};

}  // namespace ringdrop::io
