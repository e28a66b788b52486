#include "tests/db/faulty_vfs.h"

#include <algorithm>
#include <cerrno>

#include "base/check.h"

namespace ringdrop::test {

// SQLite allocates szOsFile bytes: this, then the real VFS's own file.
struct FaultyVfs::File {
  sqlite3_file base;
  FaultyVfs* owner;
  bool wal;

  static File& of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }

  template <auto Method, class... Arguments>
  static auto forward(sqlite3_file* file, Arguments... arguments) {
    sqlite3_file* const real_file = of(file).real();
    return (real_file->pMethods->*Method)(real_file, arguments...);
  }
  template <auto Method, Kind kind, class... Arguments>
  static int forward_unless_faulty(sqlite3_file* file, Arguments... arguments) {
    const int code = of(file).owner->before(kind, of(file).wal);
    return code == SQLITE_OK ? forward<Method>(file, arguments...) : code;
  }
  static int map(sqlite3_file* file, int part, int part_bytes, int extend, void volatile** mapped) {
    // The first is there from the start on.
    const int code = part > 0 && extend != 0 ? of(file).owner->before(grow_index, false) : SQLITE_OK;
    return code == SQLITE_OK ? forward<&sqlite3_io_methods::xShmMap>(file, part, part_bytes, extend, mapped) : code;
  }
  static int characteristics(sqlite3_file* file) {
    const int real_ones =
        forward<&sqlite3_io_methods::xDeviceCharacteristics>(file) & ~SQLITE_IOCAP_POWERSAFE_OVERWRITE;
    return real_ones | (of(file).owner->powersafe_overwrite ? SQLITE_IOCAP_POWERSAFE_OVERWRITE : 0);
  }
  // Tells the errno of its fault, as the real VFS tells its own.
  static int control(sqlite3_file* file, int what, void* value) {
    const int code = forward<&sqlite3_io_methods::xFileControl>(file, what, value);
    if (what == SQLITE_FCNTL_LAST_ERRNO && of(file).owner->has_failed()) {
      *static_cast<int*>(value) = of(file).owner->sys_errno_;
    }
    return code;
  }
};

using Methods = sqlite3_io_methods;

// Version 2: with shared memory (WAL), without mmap.
const sqlite3_io_methods FaultyVfs::kMethods = {
    .iVersion = 2,
    .xClose = File::forward<&Methods::xClose>,
    .xRead = File::forward_unless_faulty<&Methods::xRead, FaultyVfs::read>,
    .xWrite = File::forward_unless_faulty<&Methods::xWrite, FaultyVfs::write>,
    .xTruncate = File::forward_unless_faulty<&Methods::xTruncate, FaultyVfs::truncate>,
    .xSync = File::forward_unless_faulty<&Methods::xSync, FaultyVfs::sync>,
    .xFileSize = File::forward<&Methods::xFileSize>,
    .xLock = File::forward<&Methods::xLock>,
    .xUnlock = File::forward<&Methods::xUnlock>,
    .xCheckReservedLock = File::forward<&Methods::xCheckReservedLock>,
    .xFileControl = File::control,
    .xSectorSize = File::forward<&Methods::xSectorSize>,
    .xDeviceCharacteristics = File::characteristics,
    .xShmMap = File::map,
    .xShmLock = File::forward<&Methods::xShmLock>,
    .xShmBarrier = File::forward<&Methods::xShmBarrier>,
    .xShmUnmap = File::forward<&Methods::xShmUnmap>,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

FaultyVfs::FaultyVfs()
    : name_("faulty-" + std::to_string(reinterpret_cast<uintptr_t>(this))),
      real_(sqlite3_vfs_find(nullptr)),
      vfs_(*real_) {
  vfs_.pNext = nullptr;
  vfs_.zName = name_.c_str();
  vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
  vfs_.pAppData = this;
  vfs_.xOpen = open;
  CHECK_THAT(sqlite3_vfs_register(&vfs_, 0) == SQLITE_OK);
}

FaultyVfs::~FaultyVfs() {
  sqlite3_vfs_unregister(&vfs_);
}

int FaultyVfs::open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out) {
  auto* const self = static_cast<FaultyVfs*>(vfs->pAppData);
  File& opened = File::of(file);
  opened.owner = self;
  opened.wal = (flags & SQLITE_OPEN_WAL) != 0;
  const int code = self->real_->xOpen(self->real_, path, opened.real(), flags, out);
  // No methods: SQLite does not close it.
  file->pMethods = opened.real()->pMethods == nullptr ? nullptr : &kMethods;
  return code;
}

bool FaultyVfs::concerns(unsigned kinds, Kind kind, bool wal) {
  return (kinds & kind) != 0 && (kinds & (wal ? main_only : wal_only)) == 0;
}

int FaultyVfs::before(Kind kind, bool wal) {
  std::unique_lock lock(mutex_);
  const auto counted =
      std::ranges::find_if(counts_, [&](const Count& count) { return count.kind == kind && count.wal == wal; });
  if (counted != counts_.end()) {
    ++counted->operations;
  } else {
    counts_.push_back({kind, wal, 1});
  }
  if (concerns(holding_, kind, wal)) {
    held_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !concerns(holding_, kind, wal); });
    held_ = false;
  }
  if (!concerns(kinds_, kind, wal)) return SQLITE_OK;
  if (left_ > 0) {
    --left_;
    return SQLITE_OK;
  }
  kinds_ = 0;
  has_failed_ = true;
  errno = sys_errno_;
  switch (kind) {
    case read:
      return SQLITE_IOERR_READ;
    case write:
      return sys_errno_ == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    case truncate:
      return SQLITE_IOERR_TRUNCATE;
    case grow_index:
      return sys_errno_ == ENOMEM ? SQLITE_IOERR_NOMEM : SQLITE_IOERR_SHMSIZE;
    default:
      return SQLITE_IOERR_FSYNC;
  }
}

void FaultyVfs::fail(unsigned kinds, uint64_t nth, int sys_errno) {
  const std::lock_guard lock(mutex_);
  kinds_ = kinds;
  left_ = nth;
  sys_errno_ = sys_errno;
  has_failed_ = false;
}

bool FaultyVfs::has_failed() const {
  const std::lock_guard lock(mutex_);
  return has_failed_;
}

uint64_t FaultyVfs::count(unsigned kind) const {
  const std::lock_guard lock(mutex_);
  uint64_t sum = 0;
  for (const Count& count : counts_) {
    if (concerns(kind, count.kind, count.wal)) sum += count.operations;
  }
  return sum;
}

void FaultyVfs::hold(unsigned kinds) {
  const std::lock_guard lock(mutex_);
  holding_ = kinds;
}

void FaultyVfs::wait_until_held() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return held_; });
}

void FaultyVfs::release() {
  const std::lock_guard lock(mutex_);
  holding_ = 0;
  changed_.notify_all();
}

}  // namespace ringdrop::test
