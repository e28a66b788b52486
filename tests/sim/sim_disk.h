// A disk that remembers what was synced: files and directories as a process sees them, and beside each what a power cut
// would leave. Synchronous and single-threaded; SimRing and SimVfs are its two users.
//
// The model is harsher than a journaling file system: a file's unsynced writes survive a crash each by itself or not at
// all, torn at sectors; a directory's unsynced entries survive as a prefix in the order in which they were made.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "io/operation.h"
#include "tests/sim/random.h"

namespace ringdrop::sim {

inline constexpr std::size_t kSectorBytes = 512;

// A file's bytes; what lies behind the last one written, up to the size, reads as zeros (allocated, never written).
struct Content {
  std::vector<std::byte> bytes;
  uint64_t size = 0;
};

struct Inode;
using InodePtr = std::shared_ptr<Inode>;

struct Inode {
  explicit Inode(bool is_directory) : directory(is_directory) {}

  struct Change {  // of a file, not yet durable
    enum class Kind : uint8_t { write, resize } kind;
    uint64_t offset_or_size;
    std::vector<std::byte> bytes;
  };
  struct EntryChange {  // of a directory, not yet durable; inode null: removed
    std::string name;
    InodePtr inode;
  };

  const bool directory;
  bool locked = false;
  Content content;
  Content durable_content;
  std::vector<Change> changes;
  std::map<std::string, InodePtr> entries;
  std::map<std::string, InodePtr> durable_entries;
  std::vector<EntryChange> entry_changes;
};

class SimDisk {
 public:
  explicit SimDisk(uint64_t capacity_bytes) : capacity_bytes_(capacity_bytes), root_(std::make_shared<Inode>(true)) {}

  const InodePtr& root() const { return root_; }

  // All return 0 or a count, or a negative errno, as the system calls do. `path` is relative to `directory`.
  int open(const InodePtr& directory, std::string_view path, int flags, InodePtr& opened);
  int make_directory(const InodePtr& directory, std::string_view path);
  int unlink(const InodePtr& directory, std::string_view path, bool remove_directory);
  int64_t read(const Inode& file, MutableBytes into, uint64_t offset) const;
  int64_t write(Inode& file, Bytes bytes, uint64_t offset);
  int resize(Inode& file, uint64_t size);    // truncate
  int allocate(Inode& file, uint64_t size);  // grow to at least `size`
  void sync(Inode& inode);
  io::FileSystemStatus status() const;

  // Loses what was not synced, some of it or all; `chance` decides. Open files are gone with their process.
  void crash(Random& chance);
  // Ignores every sync: a disk that lies, for tests of the tests.
  void ignore_syncs(bool ignore) { ignore_syncs_ = ignore; }
  void set_capacity(uint64_t bytes) { capacity_bytes_ = bytes; }

 private:
  struct Place {
    InodePtr parent;
    std::string name;
  };
  int resolve(const InodePtr& directory, std::string_view path, Place& place) const;
  uint64_t used_bytes() const;
  int grow(Inode& file, uint64_t size);

  uint64_t capacity_bytes_;
  bool ignore_syncs_ = false;
  InodePtr root_;
};

}  // namespace ringdrop::sim
