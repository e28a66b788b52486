#include "db/vfs_layer.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cstddef>
#include <cstring>
#include <new>
#include <utility>

#include "base/check.h"

namespace ringdrop::db {
namespace {

using Methods = sqlite3_io_methods;

// What SQLite hands back to the functions below.
struct Layer {
  sqlite3_vfs* base;
  int opened_as;  // the SQLITE_OPEN_ flag of the files that get the methods; all others are the base's own
  const Methods* methods;
};

// A file that is open. SQLite owns the memory, and sees the first part of it; the base's file lies behind.
struct LayeredFile {
  sqlite3_file seen;
  // Of a log.
  std::byte* held;      // VfsLayer::kHeldBytes; null: nothing has been written yet, or there is no memory
  uint64_t held_bytes;  // so many of them
  int64_t held_offset;  // where they belong
  // Of a main file.
  uint64_t unsynced_bytes;  // were written since its last sync
};

constexpr std::size_t kBaseOffset =
    (sizeof(LayeredFile) + alignof(std::max_align_t) - 1) & ~(alignof(std::max_align_t) - 1);

LayeredFile& of(sqlite3_file* file) {
  return *reinterpret_cast<LayeredFile*>(file);
}

sqlite3_file* base_of(sqlite3_file* file) {
  return reinterpret_cast<sqlite3_file*>(reinterpret_cast<std::byte*>(file) + kBaseOffset);
}

template <auto Method, class... Arguments>
auto forward(sqlite3_file* file, Arguments... arguments) {
  sqlite3_file* const base = base_of(file);
  return (base->pMethods->*Method)(base, arguments...);
}

// What is held is let go of even if it cannot be written: SQLite takes the commit back, and writes what comes next to
// the same place.
int write_held(sqlite3_file* file) {
  LayeredFile& log = of(file);
  if (log.held_bytes == 0) return SQLITE_OK;
  const int bytes = static_cast<int>(std::exchange(log.held_bytes, 0));
  return forward<&Methods::xWrite>(file, static_cast<const void*>(log.held), bytes, log.held_offset);
}

template <auto Method, class... Arguments>
int forward_behind_held(sqlite3_file* file, Arguments... arguments) {
  const int written = write_held(file);
  return written == SQLITE_OK ? forward<Method>(file, arguments...) : written;
}

int close_log(sqlite3_file* file) {
  // Only of a commit that was never synced is something held here.
  delete[] std::exchange(of(file).held, nullptr);
  return forward<&Methods::xClose>(file);
}

// Where a write may harm its neighbours in a sector SQLite fills the last one with more frames behind the sync, which
// are read without another one. (It asks the main file of the two, which lies on the same disk.)
bool may_hold(sqlite3_file* file) {
  return (forward<&Methods::xDeviceCharacteristics>(file) & SQLITE_IOCAP_POWERSAFE_OVERWRITE) != 0;
}

int write_log(sqlite3_file* file, const void* from, int bytes, sqlite3_int64 offset) {
  if (!may_hold(file)) return forward<&Methods::xWrite>(file, from, bytes, offset);
  LayeredFile& log = of(file);
  const auto length = static_cast<uint64_t>(bytes);
  CHECK_THAT(length <= VfsLayer::kHeldBytes);  // a page has 64 KiB at most
  const bool follows = offset == log.held_offset + static_cast<int64_t>(log.held_bytes);
  if (log.held_bytes > 0 && (!follows || log.held_bytes + length > VfsLayer::kHeldBytes)) {
    const int written = write_held(file);
    if (written != SQLITE_OK) return written;
  }
  if (log.held == nullptr) log.held = new (std::nothrow) std::byte[VfsLayer::kHeldBytes];
  if (log.held == nullptr) return forward<&Methods::xWrite>(file, from, bytes, offset);
  if (log.held_bytes == 0) log.held_offset = offset;
  std::memcpy(log.held + log.held_bytes, from, length);
  log.held_bytes += length;
  return SQLITE_OK;
}

int sync_main_file(sqlite3_file* file, int flags) {
  of(file).unsynced_bytes = 0;
  return forward<&Methods::xSync>(file, flags);
}

int write_main_file(sqlite3_file* file, const void* from, int bytes, sqlite3_int64 offset) {
  const int written = forward<&Methods::xWrite>(file, from, bytes, offset);
  if (written != SQLITE_OK) return written;
  of(file).unsynced_bytes += static_cast<uint64_t>(bytes);
  return of(file).unsynced_bytes < VfsLayer::kUnsyncedBytes ? SQLITE_OK : sync_main_file(file, SQLITE_SYNC_NORMAL);
}

// A file that is mapped would be read past the layer: xFetch is nobody's.
constexpr Methods forward_all() {
  return {
      .iVersion = 2,
      .xClose = forward<&Methods::xClose>,
      .xRead = forward<&Methods::xRead>,
      .xWrite = forward<&Methods::xWrite>,
      .xTruncate = forward<&Methods::xTruncate>,
      .xSync = forward<&Methods::xSync>,
      .xFileSize = forward<&Methods::xFileSize>,
      .xLock = forward<&Methods::xLock>,
      .xUnlock = forward<&Methods::xUnlock>,
      .xCheckReservedLock = forward<&Methods::xCheckReservedLock>,
      .xFileControl = forward<&Methods::xFileControl>,
      .xSectorSize = forward<&Methods::xSectorSize>,
      .xDeviceCharacteristics = forward<&Methods::xDeviceCharacteristics>,
      .xShmMap = forward<&Methods::xShmMap>,
      .xShmLock = forward<&Methods::xShmLock>,
      .xShmBarrier = forward<&Methods::xShmBarrier>,
      .xShmUnmap = forward<&Methods::xShmUnmap>,
      .xFetch = nullptr,
      .xUnfetch = nullptr,
  };
}

// A page that did not fit into the cache was written in the middle of its transaction (while the catalogue is opened:
// later ones keep theirs), and is read again: so a read is behind what is held, too.
constexpr Methods log_methods() {
  Methods methods = forward_all();
  methods.xClose = close_log;
  methods.xRead = forward_behind_held<&Methods::xRead>;
  methods.xWrite = write_log;
  methods.xTruncate = forward_behind_held<&Methods::xTruncate>;
  methods.xSync = forward_behind_held<&Methods::xSync>;
  methods.xFileSize = forward_behind_held<&Methods::xFileSize>;
  return methods;
}

constexpr Methods main_file_methods() {
  Methods methods = forward_all();
  methods.xWrite = write_main_file;
  methods.xSync = sync_main_file;
  return methods;
}

constexpr Methods kLogMethods = log_methods();
constexpr Methods kMainFileMethods = main_file_methods();

const Layer& layer_of(sqlite3_vfs* vfs) {
  return *static_cast<const Layer*>(vfs->pAppData);
}

template <auto Method, class... Arguments>
auto forward_to_vfs(sqlite3_vfs* vfs, Arguments... arguments) {
  sqlite3_vfs* const base = layer_of(vfs).base;
  return (base->*Method)(base, arguments...);
}

int open_file(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  const Layer& layer = layer_of(vfs);
  if ((flags & layer.opened_as) == 0) return layer.base->xOpen(layer.base, path, file, flags, out_flags);
  of(file) = {};
  sqlite3_file* const base_file = base_of(file);
  base_file->pMethods = nullptr;
  const int code = layer.base->xOpen(layer.base, path, base_file, flags, out_flags);
  // SQLite closes a file that has methods, also when its opening has failed.
  if (base_file->pMethods != nullptr) file->pMethods = layer.methods;
  return code;
}

}  // namespace

struct VfsLayer::State {
  Layer layer{};
  std::string name;
  sqlite3_vfs vfs{};
};

std::unique_ptr<VfsLayer> VfsLayer::over(const std::string& base, Kind kind) {
  sqlite3_vfs* const under = sqlite3_vfs_find(base.empty() ? nullptr : base.c_str());
  if (under == nullptr) return nullptr;
  auto state = std::make_unique<State>();
  state->layer = kind == Kind::log_writes ? Layer{under, SQLITE_OPEN_WAL, &kLogMethods}
                                          : Layer{under, SQLITE_OPEN_MAIN_DB, &kMainFileMethods};
  state->name = fmt::format("{}-{}", under->zName, static_cast<const void*>(state.get()));
  sqlite3_vfs& vfs = state->vfs;
  vfs.iVersion = 2;
  vfs.szOsFile = static_cast<int>(kBaseOffset) + under->szOsFile;
  vfs.mxPathname = under->mxPathname;
  vfs.zName = state->name.c_str();
  vfs.pAppData = &state->layer;
  vfs.xOpen = open_file;
  vfs.xDelete = forward_to_vfs<&sqlite3_vfs::xDelete>;
  vfs.xAccess = forward_to_vfs<&sqlite3_vfs::xAccess>;
  vfs.xFullPathname = forward_to_vfs<&sqlite3_vfs::xFullPathname>;
  vfs.xRandomness = forward_to_vfs<&sqlite3_vfs::xRandomness>;
  vfs.xSleep = forward_to_vfs<&sqlite3_vfs::xSleep>;
  vfs.xGetLastError = forward_to_vfs<&sqlite3_vfs::xGetLastError>;
  vfs.xCurrentTimeInt64 = forward_to_vfs<&sqlite3_vfs::xCurrentTimeInt64>;
  if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK) return nullptr;
  return std::unique_ptr<VfsLayer>(new VfsLayer(std::move(state)));
}

VfsLayer::VfsLayer(std::unique_ptr<State> state) : state_(std::move(state)) {}

VfsLayer::~VfsLayer() {
  sqlite3_vfs_unregister(&state_->vfs);
}

const std::string& VfsLayer::name() const {
  return state_->name;
}

}  // namespace ringdrop::db
