#include "tests/sim/sim_vfs.h"

#include <fcntl.h>
#include <sqlite3.h>

#include <array>
#include <cstring>
#include <map>
#include <new>
#include <string>
#include <vector>

#include "base/check.h"

namespace ringdrop::sim {
namespace {

constexpr int kPathBytes = 512;
constexpr std::size_t kShmRegions = 64;

struct OpenFile;

// What the connections of one process share of a database: its file lock and the memory of its WAL index.
struct Shm {
  int sharers = 0;  // SHARED or above
  const OpenFile* reserved = nullptr;
  const OpenFile* exclusive = nullptr;
  std::vector<std::unique_ptr<std::byte[]>> regions;
  struct Lock {
    int shared = 0;
    bool exclusive = false;
  };
  std::array<Lock, SQLITE_SHM_NLOCK> locks;
};

// What SQLite hands back to the functions below.
struct VfsParts {
  World* world;
  SimVfs* vfs;
  std::map<std::string, Shm>* shared;
};

}  // namespace

struct SimVfs::State {
  VfsParts parts{};
  std::string name;
  sqlite3_vfs methods{};
  std::map<std::string, Shm> shared;
};

namespace {

struct OpenFile {
  sqlite3_file base;  // first: SQLite sees this part
  World* world;
  SimVfs* vfs;
  std::map<std::string, Shm>* shared;
  std::string* path;
  InodePtr* inode;
  InodePtr* directory;  // to be synced with the file's first sync
  bool delete_on_close;
  int lock_level;
  std::array<int, SQLITE_SHM_NLOCK>* held;  // 0 none, 1 shared, 2 exclusive
};

OpenFile& of(sqlite3_file* file) {
  return *reinterpret_cast<OpenFile*>(file);
}

bool fails(const OpenFile& file) {
  return file.vfs->fault && file.vfs->fault();
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

InodePtr directory_at(World& world, const std::string& path) {
  InodePtr found = world.disk().root();
  if (!path.empty()) CHECK_THAT(world.disk().open(world.disk().root(), path, O_DIRECTORY, found) == 0);
  return found;
}

int read_file(sqlite3_file* file, void* into, int bytes, sqlite3_int64 offset) {
  OpenFile& open = of(file);
  const auto size = static_cast<std::size_t>(bytes);
  const MutableBytes target(static_cast<std::byte*>(into), size);
  const int64_t got = open.world->disk().read(**open.inode, target, static_cast<uint64_t>(offset));
  if (got < 0) return SQLITE_IOERR_READ;
  if (static_cast<std::size_t>(got) == size) return SQLITE_OK;
  std::memset(target.data() + got, 0, size - static_cast<std::size_t>(got));
  return SQLITE_IOERR_SHORT_READ;
}

int write_file(sqlite3_file* file, const void* from, int bytes, sqlite3_int64 offset) {
  OpenFile& open = of(file);
  if (fails(open)) return SQLITE_IOERR_WRITE;
  const Bytes source(static_cast<const std::byte*>(from), static_cast<std::size_t>(bytes));
  const int64_t written = open.world->disk().write(**open.inode, source, static_cast<uint64_t>(offset));
  return written == bytes ? SQLITE_OK : SQLITE_FULL;
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  OpenFile& open = of(file);
  return open.world->disk().resize(**open.inode, static_cast<uint64_t>(size)) == 0 ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

int sync_file(sqlite3_file* file, int) {
  OpenFile& open = of(file);
  if (fails(open)) return SQLITE_IOERR_FSYNC;
  if (open.vfs->skip_syncs) return SQLITE_OK;
  open.world->disk().sync(**open.inode);
  // As SQLite's own VFS does it (UNIXFILE_DIRSYNC): whoever may have made a journal syncs its entry once.
  if (open.directory) {
    open.world->disk().sync(**open.directory);
    delete open.directory;
    open.directory = nullptr;
  }
  return SQLITE_OK;
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>((*of(file).inode)->content.size);
  return SQLITE_OK;
}

Shm& shared_of(sqlite3_file* file) {
  return (*of(file).shared)[*of(file).path];
}

// The levels of sqlite.org/lockingv3.html without PENDING: nobody waits here. A connection that closes learns from them
// whether it is the last and may take the WAL away.
int lock_file(sqlite3_file* file, int level) {
  OpenFile& open = of(file);
  Shm& shared = shared_of(file);
  if (level <= open.lock_level) return SQLITE_OK;
  if (shared.exclusive && shared.exclusive != &open) return SQLITE_BUSY;
  if (open.lock_level == SQLITE_LOCK_NONE) {
    ++shared.sharers;
    open.lock_level = SQLITE_LOCK_SHARED;
  }
  if (level == SQLITE_LOCK_SHARED) return SQLITE_OK;
  if (shared.reserved && shared.reserved != &open) return SQLITE_BUSY;
  shared.reserved = &open;
  open.lock_level = SQLITE_LOCK_RESERVED;
  if (level == SQLITE_LOCK_RESERVED) return SQLITE_OK;
  if (shared.sharers > 1) return SQLITE_BUSY;
  shared.exclusive = &open;
  open.lock_level = SQLITE_LOCK_EXCLUSIVE;
  return SQLITE_OK;
}

int unlock_file(sqlite3_file* file, int level) {
  OpenFile& open = of(file);
  Shm& shared = shared_of(file);
  if (open.lock_level <= level) return SQLITE_OK;
  if (shared.exclusive == &open) shared.exclusive = nullptr;
  if (shared.reserved == &open) shared.reserved = nullptr;
  if (level == SQLITE_LOCK_NONE) --shared.sharers;
  open.lock_level = level;
  return SQLITE_OK;
}

int close_file(sqlite3_file* file) {
  OpenFile& open = of(file);
  unlock_file(file, SQLITE_LOCK_NONE);
  if (open.delete_on_close) open.world->disk().unlink(open.world->disk().root(), *open.path, false);
  delete open.path;
  delete open.inode;
  delete open.directory;
  delete open.held;
  return SQLITE_OK;
}

int check_reserved_lock(sqlite3_file* file, int* reserved) {
  *reserved = shared_of(file).reserved ? 1 : 0;
  return SQLITE_OK;
}

int file_control(sqlite3_file* file, int op, void* argument) {
  if (op != SQLITE_FCNTL_SIZE_HINT) return SQLITE_NOTFOUND;
  OpenFile& open = of(file);
  if (fails(open)) return SQLITE_IOERR_WRITE;
  const auto size = static_cast<uint64_t>(*static_cast<const sqlite3_int64*>(argument));
  return open.world->disk().allocate(**open.inode, size) == 0 ? SQLITE_OK : SQLITE_FULL;
}

int sector_size(sqlite3_file*) {
  return static_cast<int>(kSectorBytes);
}

// As SQLite's own VFS says of any disk: the simulated one tears between sectors, never within what a write leaves
// alone.
int device_characteristics(sqlite3_file*) {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

int shm_map(sqlite3_file* file, int region, int bytes, int extend, void volatile** memory) {
  Shm& shm = (*of(file).shared)[*of(file).path];
  const auto index = static_cast<std::size_t>(region);
  CHECK_THAT(index < kShmRegions);
  *memory = nullptr;
  if (index >= shm.regions.size()) {
    if (!extend) return SQLITE_OK;
    while (shm.regions.size() <= index) {
      shm.regions.push_back(std::make_unique<std::byte[]>(static_cast<std::size_t>(bytes)));
    }
  }
  *memory = shm.regions[index].get();
  return SQLITE_OK;
}

int shm_lock(sqlite3_file* file, int first, int count, int flags) {
  OpenFile& open = of(file);
  Shm& shm = (*open.shared)[*open.path];
  const bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  for (int i = first; i < first + count; ++i) {
    const auto slot = static_cast<std::size_t>(i);
    Shm::Lock& lock = shm.locks[slot];
    int& held = (*open.held)[slot];
    if (flags & SQLITE_SHM_UNLOCK) continue;
    if (held == (exclusive ? 2 : 1)) continue;
    if (lock.exclusive || (exclusive && lock.shared > (held == 1 ? 1 : 0))) return SQLITE_BUSY;
  }
  for (int i = first; i < first + count; ++i) {
    const auto slot = static_cast<std::size_t>(i);
    Shm::Lock& lock = shm.locks[slot];
    int& held = (*open.held)[slot];
    const int wanted = (flags & SQLITE_SHM_UNLOCK) ? 0 : exclusive ? 2 : 1;
    if (held == wanted) continue;
    if (held == 1) --lock.shared;
    if (held == 2) lock.exclusive = false;
    if (wanted == 1) ++lock.shared;
    if (wanted == 2) lock.exclusive = true;
    held = wanted;
  }
  return SQLITE_OK;
}

void shm_barrier(sqlite3_file*) {}

int shm_unmap(sqlite3_file* file, int remove) {
  if (remove) shared_of(file).regions.clear();
  return SQLITE_OK;
}

const sqlite3_io_methods kFileMethods = {2,
                                         close_file,
                                         read_file,
                                         write_file,
                                         truncate_file,
                                         sync_file,
                                         file_size,
                                         lock_file,
                                         unlock_file,
                                         check_reserved_lock,
                                         file_control,
                                         sector_size,
                                         device_characteristics,
                                         shm_map,
                                         shm_lock,
                                         shm_barrier,
                                         shm_unmap,
                                         nullptr,
                                         nullptr};

VfsParts& parts_of(sqlite3_vfs* vfs) {
  return *static_cast<VfsParts*>(vfs->pAppData);
}

int open_file(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  const VfsParts& parts = parts_of(vfs);
  OpenFile& open = of(file);
  open.base.pMethods = nullptr;
  const std::string name = path ? path : "sqlite-temporary";
  InodePtr inode;
  const bool existed = parts.world->disk().open(parts.world->disk().root(), name, 0, inode) == 0;
  const int create = (flags & SQLITE_OPEN_CREATE) ? O_CREAT : 0;
  if (!existed && parts.world->disk().open(parts.world->disk().root(), name, create, inode) != 0) {
    return SQLITE_CANTOPEN;
  }
  open.base.pMethods = &kFileMethods;
  open.world = parts.world;
  open.vfs = parts.vfs;
  open.shared = parts.shared;
  open.path = new std::string(name);
  open.inode = new InodePtr(inode);
  const bool journal = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL)) != 0;
  open.directory = create && journal ? new InodePtr(directory_at(*parts.world, parent_of(name))) : nullptr;
  open.delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
  open.lock_level = SQLITE_LOCK_NONE;
  open.held = new std::array<int, SQLITE_SHM_NLOCK>{};
  if (out_flags) *out_flags = flags;
  return SQLITE_OK;
}

int delete_file(sqlite3_vfs* vfs, const char* path, int sync_directory) {
  World& world = *parts_of(vfs).world;
  const int error = world.disk().unlink(world.disk().root(), path, false);
  if (error == -ENOENT) return SQLITE_IOERR_DELETE_NOENT;
  if (error != 0) return SQLITE_IOERR_DELETE;
  if (sync_directory) world.disk().sync(*directory_at(world, parent_of(path)));
  return SQLITE_OK;
}

int access_file(sqlite3_vfs* vfs, const char* path, int, int* exists) {
  World& world = *parts_of(vfs).world;
  InodePtr inode;
  *exists = world.disk().open(world.disk().root(), path, 0, inode) == 0 ? 1 : 0;
  return SQLITE_OK;
}

int full_path(sqlite3_vfs*, const char* path, int bytes, char* out) {
  sqlite3_snprintf(bytes, out, "%s", path);
  return SQLITE_OK;
}

int randomness(sqlite3_vfs* vfs, int bytes, char* out) {
  for (int i = 0; i < bytes; ++i) out[i] = static_cast<char>(parts_of(vfs).world->chance().below(256));
  return bytes;
}

int sleep_us(sqlite3_vfs*, int us) {
  return us;
}

int current_time(sqlite3_vfs* vfs, sqlite3_int64* julian_ms) {
  constexpr sqlite3_int64 kUnixEpochJulianMs = 210866760000000;
  *julian_ms = kUnixEpochJulianMs + parts_of(vfs).world->epoch_ms();
  return SQLITE_OK;
}

int last_error(sqlite3_vfs*, int, char*) {
  return 0;
}

}  // namespace

SimVfs::SimVfs(World& world) : state_(std::make_unique<State>()) {
  state_->parts = {&world, this, &state_->shared};
  static uint64_t boots = 0;
  state_->name = "sim-" + std::to_string(++boots);
  sqlite3_vfs& vfs = state_->methods;
  vfs.iVersion = 2;
  vfs.szOsFile = sizeof(OpenFile);
  vfs.mxPathname = kPathBytes;
  vfs.zName = state_->name.c_str();
  vfs.pAppData = &state_->parts;
  vfs.xOpen = open_file;
  vfs.xDelete = delete_file;
  vfs.xAccess = access_file;
  vfs.xFullPathname = full_path;
  vfs.xRandomness = randomness;
  vfs.xSleep = sleep_us;
  vfs.xGetLastError = last_error;
  vfs.xCurrentTimeInt64 = current_time;
  CHECK_THAT(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
}

SimVfs::~SimVfs() {
  sqlite3_vfs_unregister(&state_->methods);
}

const std::string& SimVfs::name() const {
  return state_->name;
}

}  // namespace ringdrop::sim
