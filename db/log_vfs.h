// Writes of the write-ahead log, put together: a layer over SQLite's VFS (https://www.sqlite.org/vfs.html) for the
// connection that writes.
//
// SQLite writes each frame of a commit with two calls, 24 bytes and a page, and then syncs the log. A frame is nobody's
// before the sync has succeeded (sqlite3WalFrames() in wal.c: only then does the log's index tell of it), so its bytes
// may wait until then, and a commit of many frames is one write. Only with synchronous=FULL is each commit synced:
// never to be used with less.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"

namespace ringdrop::db {

class LogVfs {
 public:
  // What is held back at most: a commit's frames beyond it are more than one write. SQLite's VFS for Unix takes less
  // than 128 KiB at a time (seekAndWriteFd() in os_unix.c).
  static constexpr uint64_t kHeldBytes = 127 * kKiB;

  // Registers a VFS of its own name over the one called `base` (empty: the default one). Both outlive every connection
  // made through it, `base` outlives it. Null without such a base, or without memory.
  static std::unique_ptr<LogVfs> over(const std::string& base);
  ~LogVfs();
  LogVfs(const LogVfs&) = delete;
  LogVfs& operator=(const LogVfs&) = delete;

  const std::string& name() const;

 private:
  struct State;
  explicit LogVfs(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ringdrop::db
