// What lies between SQLite and its VFS (https://www.sqlite.org/vfs.html), for connections of which each commit is
// synced (synchronous=FULL), and never for others.
//
// log_writes, for the connection that writes: SQLite writes each frame of a commit with two calls, 24 bytes and a page,
// and then syncs the log. A frame is nobody's before the sync has succeeded (sqlite3WalFrames() in wal.c: only then
// does the log's index tell of it), so its bytes may wait until then, and a commit of many frames is one write. For a
// connection that writes nothing but what it commits (Database::keep_changes_until_commit()), or gives up where
// anything fails: of a rollback no VFS is told, and what is held would be written later. Over a base without
// SQLITE_IOCAP_POWERSAFE_OVERWRITE (SQLite's own has it) nothing is held.
//
// main_file_syncs, for the connection that makes checkpoints while others commit: SQLite writes all pages and then
// syncs the main file once. The disk has no end of that before the commits meanwhile, whose syncs wait behind it. So it
// is synced again and again, each time a little.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"

namespace ringdrop::db {

class VfsLayer {
 public:
  enum class Kind : uint8_t { log_writes, main_file_syncs };

  // log_writes: what is held back at most: a commit's frames beyond it are more than one write. SQLite's VFS for Unix
  // takes less than 128 KiB at a time (seekAndWriteFd() in os_unix.c).
  static constexpr uint64_t kHeldBytes = 127 * kKiB;
  // main_file_syncs: what is written without a sync at most.
  static constexpr uint64_t kUnsyncedBytes = 1 * kMiB;

  // Registers a VFS of its own name over the one called `base` (empty: the default one). It outlives every connection
  // made through it, `base` outlives it. Null without such a base.
  static std::unique_ptr<VfsLayer> over(const std::string& base, Kind kind);
  ~VfsLayer();
  VfsLayer(const VfsLayer&) = delete;
  VfsLayer& operator=(const VfsLayer&) = delete;

  const std::string& name() const;

 private:
  struct State;
  explicit VfsLayer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ringdrop::db
