// SQLite's disk with a fault to order: an sqlite3_vfs over the default one that lets one chosen
// operation fail, counts them, and can hold a commit or a checkpoint in the middle of one.
#pragma once

#include <sqlite3.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace ringdrop::test {

class FaultyVfs {
 public:
  // Which operations count; a set of bits. grow_index: the log's index (shared memory) takes another part, which it
  // does behind the sync of a commit.
  enum Kind : unsigned {
    read = 1,
    write = 2,
    sync = 4,
    truncate = 8,
    any = 15,
    wal_only = 16,
    main_only = 32,
    grow_index = 64
  };

  FaultyVfs();
  ~FaultyVfs();  // all its connections are closed
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;

  const std::string& name() const { return name_; }

  // Lets the nth operation of these kinds from now on fail (0: the next one), once. With ENOSPC a
  // write becomes SQLITE_FULL, with ENOMEM what grows SQLITE_IOERR_NOMEM, as the real VFS does it; else it is the
  // kind's SQLITE_IOERR_*.
  void fail(unsigned kinds, uint64_t nth, int sys_errno);
  bool has_failed() const;
  // How many there were of one kind, with wal_only or main_only perhaps.
  uint64_t count(unsigned kind) const;
  uint64_t syncs() const { return count(sync); }

  // What it says of itself; as the real one, unless changed before a file is opened.
  bool powersafe_overwrite = true;

  // Operations of these kinds wait until release().
  void hold(unsigned kinds);
  void wait_until_held();
  void release();

 private:
  struct File;
  static int open(sqlite3_vfs*, const char*, sqlite3_file*, int, int*);
  static const sqlite3_io_methods kMethods;

  static bool concerns(unsigned kinds, Kind kind, bool wal);
  // SQLITE_OK, or what the operation shall fail with.
  int before(Kind kind, bool wal);

  std::string name_;
  sqlite3_vfs* real_;
  sqlite3_vfs vfs_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  unsigned kinds_ = 0;  // 0: no fault is ordered
  uint64_t left_ = 0;
  int sys_errno_ = 0;
  bool has_failed_ = false;
  struct Count {
    Kind kind;
    bool wal;
    uint64_t operations;
  };
  std::vector<Count> counts_;
  unsigned holding_ = 0;  // kinds
  bool held_ = false;
};

}  // namespace ringdrop::test
