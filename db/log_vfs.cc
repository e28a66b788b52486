#include "db/log_vfs.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cstddef>
#include <cstring>
#include <new>
#include <utility>

namespace ringdrop::db {

struct LogVfs::State {
  std::string name;
  sqlite3_vfs* base = nullptr;
  sqlite3_vfs methods{};
};

namespace {

// A log that is open. SQLite owns the memory, and sees the first part of it; the base's file lies behind.
struct LogFile {
  sqlite3_file seen;
  std::byte* held;  // LogVfs::kHeldBytes; null: nothing has been written yet, or there is no memory
  uint64_t length;  // of what is held
  int64_t offset;   // where it belongs
};

constexpr std::size_t kBaseOffset =
    (sizeof(LogFile) + alignof(std::max_align_t) - 1) & ~(alignof(std::max_align_t) - 1);

LogFile& log_of(sqlite3_file* file) {
  return *reinterpret_cast<LogFile*>(file);
}

sqlite3_file* base_of(sqlite3_file* file) {
  return reinterpret_cast<sqlite3_file*>(reinterpret_cast<std::byte*>(file) + kBaseOffset);
}

// What is held is let go of even if it cannot be written: SQLite takes the commit back, and writes what comes next to
// the same place.
int write_held(sqlite3_file* file) {
  LogFile& log = log_of(file);
  if (log.length == 0) return SQLITE_OK;
  const int length = static_cast<int>(std::exchange(log.length, 0));
  sqlite3_file* const base = base_of(file);
  return base->pMethods->xWrite(base, log.held, length, log.offset);
}

int close_log(sqlite3_file* file) {
  // Only of a commit that was never synced is something held here.
  LogFile& log = log_of(file);
  delete[] std::exchange(log.held, nullptr);
  sqlite3_file* const base = base_of(file);
  return base->pMethods->xClose(base);
}

int read_log(sqlite3_file* file, void* into, int bytes, sqlite3_int64 offset) {
  // A page that did not fit into the cache was written in the middle of its transaction, and is read again.
  const int written = write_held(file);
  if (written != SQLITE_OK) return written;
  sqlite3_file* const base = base_of(file);
  return base->pMethods->xRead(base, into, bytes, offset);
}

int write_log(sqlite3_file* file, const void* from, int bytes, sqlite3_int64 offset) {
  LogFile& log = log_of(file);
  const auto length = static_cast<uint64_t>(bytes);
  const bool follows = offset == log.offset + static_cast<int64_t>(log.length);
  if (log.length > 0 && (!follows || log.length + length > LogVfs::kHeldBytes)) {
    const int written = write_held(file);
    if (written != SQLITE_OK) return written;
  }
  if (log.held == nullptr) log.held = new (std::nothrow) std::byte[LogVfs::kHeldBytes];
  if (log.held == nullptr || length > LogVfs::kHeldBytes) {
    sqlite3_file* const base = base_of(file);
    return base->pMethods->xWrite(base, from, bytes, offset);
  }
  if (log.length == 0) log.offset = offset;
  std::memcpy(log.held + log.length, from, length);
  log.length += length;
  return SQLITE_OK;
}

int truncate_log(sqlite3_file* file, sqlite3_int64 size) {
  const int written = write_held(file);
  if (written != SQLITE_OK) return written;
  sqlite3_file* const base = base_of(file);
  return base->pMethods->xTruncate(base, size);
}

int sync_log(sqlite3_file* file, int flags) {
  const int written = write_held(file);
  if (written != SQLITE_OK) return written;
  sqlite3_file* const base = base_of(file);
  return base->pMethods->xSync(base, flags);
}

int size_of_log(sqlite3_file* file, sqlite3_int64* size) {
  const int written = write_held(file);
  if (written != SQLITE_OK) return written;
  sqlite3_file* const base = base_of(file);
  return base->pMethods->xFileSize(base, size);
}

// Logs are not locked, the main file is.
int lock_log(sqlite3_file*, int) {
  return SQLITE_OK;
}

int check_lock_of_log(sqlite3_file*, int* reserved) {
  *reserved = 0;
  return SQLITE_OK;
}

int control_log(sqlite3_file* file, int op, void* argument) {
  sqlite3_file* const base = base_of(file);
  return base->pMethods->xFileControl(base, op, argument);
}

int sector_size(sqlite3_file* file) {
  sqlite3_file* const base = base_of(file);
  return base->pMethods->xSectorSize(base);
}

int characteristics(sqlite3_file* file) {
  sqlite3_file* const base = base_of(file);
  return base->pMethods->xDeviceCharacteristics(base);
}

const sqlite3_io_methods kLogMethods = {
    .iVersion = 1,  // what comes with later versions is for the main file: shared and mapped memory
    .xClose = close_log,
    .xRead = read_log,
    .xWrite = write_log,
    .xTruncate = truncate_log,
    .xSync = sync_log,
    .xFileSize = size_of_log,
    .xLock = lock_log,
    .xUnlock = lock_log,
    .xCheckReservedLock = check_lock_of_log,
    .xFileControl = control_log,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
    .xShmMap = nullptr,
    .xShmLock = nullptr,
    .xShmBarrier = nullptr,
    .xShmUnmap = nullptr,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

sqlite3_vfs* base_vfs(sqlite3_vfs* vfs) {
  return static_cast<sqlite3_vfs*>(vfs->pAppData);
}

int open_file(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  sqlite3_vfs* const base = base_vfs(vfs);
  // All other files are the base's own.
  if ((flags & SQLITE_OPEN_WAL) == 0) return base->xOpen(base, path, file, flags, out_flags);
  sqlite3_file* const base_file = base_of(file);
  base_file->pMethods = nullptr;
  LogFile& log = log_of(file);
  log = {};
  const int code = base->xOpen(base, path, base_file, flags, out_flags);
  // SQLite closes a file that has methods, also when its opening has failed.
  if (base_file->pMethods != nullptr) log.seen.pMethods = &kLogMethods;
  return code;
}

int delete_file(sqlite3_vfs* vfs, const char* path, int sync_directory) {
  return base_vfs(vfs)->xDelete(base_vfs(vfs), path, sync_directory);
}

int access_file(sqlite3_vfs* vfs, const char* path, int what, int* answer) {
  return base_vfs(vfs)->xAccess(base_vfs(vfs), path, what, answer);
}

int full_path(sqlite3_vfs* vfs, const char* path, int bytes, char* out) {
  return base_vfs(vfs)->xFullPathname(base_vfs(vfs), path, bytes, out);
}

int randomness(sqlite3_vfs* vfs, int bytes, char* out) {
  return base_vfs(vfs)->xRandomness(base_vfs(vfs), bytes, out);
}

int sleep_us(sqlite3_vfs* vfs, int us) {
  return base_vfs(vfs)->xSleep(base_vfs(vfs), us);
}

int last_error(sqlite3_vfs* vfs, int bytes, char* message) {
  return base_vfs(vfs)->xGetLastError(base_vfs(vfs), bytes, message);
}

int current_time(sqlite3_vfs* vfs, sqlite3_int64* julian_ms) {
  return base_vfs(vfs)->xCurrentTimeInt64(base_vfs(vfs), julian_ms);
}

}  // namespace

std::unique_ptr<LogVfs> LogVfs::over(const std::string& base) {
  auto state = std::make_unique<State>();
  state->base = sqlite3_vfs_find(base.empty() ? nullptr : base.c_str());
  if (state->base == nullptr) return nullptr;
  state->name = fmt::format("{}-log-{}", state->base->zName, static_cast<const void*>(state.get()));
  sqlite3_vfs& methods = state->methods;
  methods.iVersion = 2;
  methods.szOsFile = static_cast<int>(kBaseOffset) + state->base->szOsFile;
  methods.mxPathname = state->base->mxPathname;
  methods.zName = state->name.c_str();
  methods.pAppData = state->base;
  methods.xOpen = open_file;
  methods.xDelete = delete_file;
  methods.xAccess = access_file;
  methods.xFullPathname = full_path;
  methods.xRandomness = randomness;
  methods.xSleep = sleep_us;
  methods.xGetLastError = last_error;
  methods.xCurrentTimeInt64 = current_time;
  if (sqlite3_vfs_register(&methods, 0) != SQLITE_OK) return nullptr;
  return std::unique_ptr<LogVfs>(new LogVfs(std::move(state)));
}

LogVfs::LogVfs(std::unique_ptr<State> state) : state_(std::move(state)) {}

LogVfs::~LogVfs() {
  sqlite3_vfs_unregister(&state_->methods);
}

const std::string& LogVfs::name() const {
  return state_->name;
}

}  // namespace ringdrop::db
