// A disk that remembers what was synced: files and directories as a process sees them, and beside each what a power cut
// would leave. Synchronous and single-threaded; SimRing and SimVfs are its two users.
//
// What a power cut does to what was not synced is the weakest of what ext4 and XFS do (both looked at with
// EXT4_IOC_SHUTDOWN, data=ordered):
//   - Sizes (of writes that extend, of truncations) are logged in their order: a prefix of them survives.
//   - A direct write has its size logged when its data is on the device, and the log flushes the device's cache before
//     it commits: where the surviving size counts a direct write, its data is there, and that of all direct ones
//     before.
//   - Of a write through the page cache each sector survives or not, and the size may count it all the same: what is
//     lost reads as zeros. ext4 logs at once the size of a write that ends in a block which it has already, and on both
//     a direct write behind a dirty page raises the size over it.
//   - What the surviving size does not count is lost; what lies inside it is kept by sectors, in any combination.
//   - A directory's entries survive as a prefix in the order in which they were made.
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
    bool direct = false;
  };
  struct EntryChange {  // of a directory, not yet durable; inode null: removed
    std::string name;
    InodePtr inode;
  };

  const bool directory;
  bool locked = false;
  bool linked = true;  // an entry names it
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
  int64_t write(Inode& file, Bytes bytes, uint64_t offset, bool direct = false);
  int resize(Inode& file, uint64_t size);    // truncate
  int allocate(Inode& file, uint64_t size);  // grow to at least `size`
  void sync(Inode& inode);
  io::FileSystemStatus status() const;

  // Loses what was not synced, some of it or all; `chance` decides. Open files are gone with their process.
  void crash(Random& chance);
  // The process is killed, the kernel goes on: all is as it was but for the locks, and as little synced.
  void kill();
  // Ignores every sync: a disk that lies, for tests of the tests.
  void ignore_syncs(bool ignore) { ignore_syncs_ = ignore; }
  void set_capacity(uint64_t bytes) { capacity_bytes_ = bytes; }

 private:
  struct Place {
    InodePtr parent;
    std::string name;
  };
  int resolve(const InodePtr& directory, std::string_view path, Place& place) const;
  int grow(Inode& file, uint64_t size);
  void change(Inode& file, Inode::Change change);

  uint64_t capacity_bytes_;
  uint64_t used_bytes_ = 0;
  bool ignore_syncs_ = false;
  InodePtr root_;
};

}  // namespace ringdrop::sim
