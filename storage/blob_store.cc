#include "storage/blob_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

namespace ringdrop::storage {
namespace {

using io::Errc;
using io::Result;
using io::Task;

constexpr const char* kBlobs = "blobs";
constexpr const char* kUnsettled = "unsettled";
constexpr const char* kLock = "lock";

// Larger uploads ask the file system itself for its free space; for smaller ones the last look is good enough.
constexpr uint64_t kAskForSpaceBytes = kMiB;
// A body that fits here is written in one piece a moment later: reserving first would only cost a call.
constexpr uint64_t kUnreservedBytes = 64 * kKiB;

Task<Result<io::Directory>> open_or_make(io::EventLoop& loop, const io::Directory& parent, const char* name) {
  const Result<> made = co_await parent.make_directory(name);
  if (!made && made.error().code != Errc::exists) co_return std::unexpected(made.error());
  Result<io::OwnedFd> fd = co_await parent.open_directory(name);
  if (!fd) co_return std::unexpected(fd.error());
  co_return io::Directory(loop, std::move(*fd));
}

Task<Result<io::Directory>> open_root(io::EventLoop& loop, const std::string& data_dir) {
  Result<io::OwnedFd> fd = co_await io::open_root_directory(loop, data_dir.c_str());
  if (!fd) co_return std::unexpected(fd.error());
  co_return io::Directory(loop, std::move(*fd));
}

// File systems whose fsync does not mean what it means on a local disk.
bool keeps_no_word(std::string_view type) {
  return type == "tmpfs" || type == "ramfs" || type == "nfs" || type == "fuse";
}

std::string parent_of(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? std::string(".") : parent;
}

// Durable when it returns: everything that will be acknowledged hangs on this entry.
Task<Result<>> make_data_directory(io::EventLoop& loop, const std::string& data_dir) {
  const Result<> made = co_await io::make_root_directory(loop, data_dir.c_str());
  const bool existed = !made && made.error().code == Errc::exists;
  if (!made && !existed) co_return made;
  const std::string parent_path = parent_of(data_dir);
  Result<io::Directory> parent = co_await open_root(loop, parent_path);
  // Somebody else's directory around ours, made long ago: its owner has seen to it.
  if (!parent && existed) co_return Result<>{};
  if (!parent) co_return std::unexpected(parent.error());
  co_return co_await parent->sync();
}

Task<Result<io::File>> take_lock(io::EventLoop& loop, const io::Directory& root) {
  Result<io::OwnedFd> fd = co_await root.open_file(kLock, io::OpenMode::open_or_create);
  if (!fd) co_return std::unexpected(fd.error());
  io::File file(loop, std::move(*fd));
  const Result<> locked = co_await file.lock();
  if (!locked && locked.error().sys_errno == EWOULDBLOCK) co_return io::fail(Errc::exists, "lock", EWOULDBLOCK);
  if (!locked) co_return std::unexpected(locked.error());
  co_return std::move(file);
}

}  // namespace

BlobStore::BlobStore(io::EventLoop& loop, BlobSpace& space, io::Directory blobs, io::Directory unsettled)
    : loop_(loop),
      space_(space),
      blobs_(std::move(blobs)),
      unsettled_(std::move(unsettled)),
      open_blobs_(space.open_files),
      directory_made_(loop, "an upload that has waited for a directory") {}

BlobStore::~BlobStore() = default;

Task<Result<io::File>> BlobStore::prepare(io::EventLoop& loop, const std::string& data_dir, BlobSpace& space) {
  const Result<> made = co_await make_data_directory(loop, data_dir);
  if (!made) co_return std::unexpected(made.error());
  Result<io::Directory> root = co_await open_root(loop, data_dir);
  if (!root) co_return std::unexpected(root.error());
  Result<io::File> lock = co_await take_lock(loop, *root);
  if (!lock) co_return lock;
  Result<io::Directory> blobs = co_await open_or_make(loop, *root, kBlobs);
  if (!blobs) co_return std::unexpected(blobs.error());
  Result<io::Directory> unsettled = co_await open_or_make(loop, *root, kUnsettled);
  if (!unsettled) co_return std::unexpected(unsettled.error());
  const Result<> synced = co_await root->sync();
  if (!synced) co_return std::unexpected(synced.error());

  std::vector<std::string> names;
  const Result<> listed = co_await blobs->list(names);
  if (!listed) co_return std::unexpected(listed.error());
  uint32_t highest = 0;
  for (const std::string& name : names) highest = std::max(highest, parse_hex_name(name, 8).value_or(0));
  space.next_directory.store(highest + 1);

  io::FileSystemStatus status;
  const Result<> looked = co_await blobs->file_system(status);
  if (!looked) co_return std::unexpected(looked.error());
  space.free_bytes.store(status.free_bytes);
  space.keeps_no_word.store(keeps_no_word(status.type));
  if (space.keeps_no_word.load()) {
    loop.log().warn(
        fmt::format("{} is on {}: what is stored there survives the process, not a power cut", data_dir, status.type));
  }
  co_return lock;
}

Task<Result<std::unique_ptr<BlobStore>>> BlobStore::open(io::EventLoop& loop, const std::string& data_dir,
                                                         BlobSpace& space) {
  Result<io::Directory> root = co_await open_root(loop, data_dir);
  if (!root) co_return std::unexpected(root.error());
  Result<io::Directory> blobs = co_await open_or_make(loop, *root, kBlobs);
  if (!blobs) co_return std::unexpected(blobs.error());
  Result<io::Directory> unsettled = co_await open_or_make(loop, *root, kUnsettled);
  if (!unsettled) co_return std::unexpected(unsettled.error());
  co_return std::unique_ptr<BlobStore>(new BlobStore(loop, space, std::move(*blobs), std::move(*unsettled)));
}

Task<Result<io::FileSystemStatus>> BlobStore::file_system() {
  io::FileSystemStatus status;
  const Result<> looked = co_await blobs_.file_system(status);
  if (!looked) co_return std::unexpected(looked.error());
  space_.free_bytes.store(status.free_bytes, std::memory_order_relaxed);
  co_return std::move(status);
}

Task<Result<>> BlobStore::check_begin(std::optional<uint64_t> length) {
  if (space_.failed.load(std::memory_order_relaxed)) co_return io::fail(Errc::system, "storage", EROFS);
  const uint64_t expected = length.value_or(kAskForSpaceBytes);
  const bool seems_full = space_.bytes_above_floor() < expected;
  if (expected >= kAskForSpaceBytes || seems_full) {
    const Result<io::FileSystemStatus> looked = co_await file_system();
    if (!looked) co_return std::unexpected(looked.error());
  }
  if (space_.bytes_above_floor() < std::max<uint64_t>(1, length.value_or(1))) {
    co_return io::fail(Errc::no_space, "reserve");
  }
  co_return Result<>{};
}

Task<Result<std::unique_ptr<BlobWriter>>> BlobStore::create(std::optional<uint64_t> length) {
  const Result<> may = co_await check_begin(length);
  if (!may) co_return std::unexpected(may.error());
  Result<std::shared_ptr<BlobDirectory>> directory = co_await directory_to_fill();
  if (!directory) co_return std::unexpected(directory.error());
  const BlobId id = BlobId::make((*directory)->number, (*directory)->next_serial++);
  ++(*directory)->unsettled;
  const std::string name = id.file_name();
  Result<io::OwnedFd> fd = co_await (*directory)->directory.open_file(name.c_str(), io::OpenMode::create);
  if (!fd) {
    --(*directory)->unsettled;
    co_return std::unexpected(fd.error());
  }
  io::File file(loop_, std::move(*fd));
  auto writer = std::make_unique<BlobWriter>(loop_, space_, std::move(*directory), id, std::move(file));
  if (length.value_or(0) > kUnreservedBytes) {
    const Result<> reserved = co_await writer->reserve(*length);
    if (!reserved) {
      co_await writer->discard();
      co_return std::unexpected(reserved.error());
    }
  }
  co_return std::move(writer);
}

// The directory that has room; made when there is none. Those who come meanwhile wait for the one that makes it.
Task<Result<std::shared_ptr<BlobDirectory>>> BlobStore::directory_to_fill() {
  while (making_directory_) static_cast<void>(co_await directory_made_.wait());
  if (filling_ && !filling_->full()) co_return filling_;
  if (filling_) filled_.push_back(std::move(filling_));
  const uint32_t number = space_.next_directory.fetch_add(1);
  if (number >= kMaxDirectory) co_return io::fail(Errc::exhausted, "mkdir");
  making_directory_ = true;
  Result<std::shared_ptr<BlobDirectory>> made = co_await make_directory(number);
  making_directory_ = false;
  if (made) filling_ = *made;
  directory_made_.wake_all();
  co_return made;
}

// The mark is durable before the first file: a crash at any later point finds the directory again. The directory's own
// entry is durable before the first commit relies on it.
Task<Result<std::shared_ptr<BlobDirectory>>> BlobStore::make_directory(uint32_t number) {
  const std::string name = directory_name(number);
  const Result<> marked = co_await unsettled_.make_directory(name.c_str());
  if (!marked) co_return std::unexpected(marked.error());
  Result<> made = co_await sync(unsettled_);
  if (made) made = co_await blobs_.make_directory(name.c_str());
  if (made) made = co_await sync(blobs_);
  if (!made) co_return std::unexpected(made.error());
  Result<io::OwnedFd> fd = co_await blobs_.open_directory(name.c_str());
  if (!fd) co_return std::unexpected(fd.error());
  io::Directory directory(loop_, std::move(*fd));
  co_return std::make_shared<BlobDirectory>(loop_, number, std::move(directory));
}

// A failed sync is never tried again: the whole store stops taking anything.
Task<Result<>> BlobStore::sync(const io::Directory& directory) {
  if (space_.failed.load()) co_return io::fail(Errc::system, "storage", EIO);
  const Result<> synced = co_await directory.sync();
  if (!synced) space_.failed.store(true);
  co_return synced;
}

BlobReader BlobStore::open_reader(std::vector<Extent> extents) {
  return BlobReader(loop_, blobs_, open_blobs_, std::move(extents));
}

Task<Result<>> BlobStore::remove(BlobId id) {
  open_blobs_.forget(id);
  const std::string path = path_of(id);
  co_return co_await blobs_.remove_file(path.c_str());
}

Task<Result<std::vector<BlobId>>> BlobStore::remove_durably(const std::vector<BlobId>& ids) {
  std::vector<BlobId> gone;
  for (std::size_t next = 0; next < ids.size();) {
    const uint32_t number = ids[next].directory();
    const std::string name = directory_name(number);
    Result<io::OwnedFd> fd = co_await blobs_.open_directory(name.c_str());
    const bool missing = !fd && fd.error().code == Errc::not_found;
    if (!fd && !missing) {
      loop_.log().warn(fmt::format("files in {} cannot be removed: {}", name, io::describe(fd.error())));
    }
    std::optional<io::Directory> opened;
    if (fd) opened.emplace(loop_, std::move(*fd));
    const std::size_t gone_before = gone.size();
    for (; next < ids.size() && ids[next].directory() == number; ++next) {
      if (opened) {
        open_blobs_.forget(ids[next]);
        const std::string file = ids[next].file_name();
        const Result<> removed = co_await opened->remove_file(file.c_str());
        if (!removed && removed.error().code != Errc::not_found) {
          loop_.log().warn(fmt::format("{}/{} cannot be removed: {}", name, file, io::describe(removed.error())));
          continue;
        }
      }
      if (opened || missing) gone.push_back(ids[next]);
    }
    if (!opened || gone.size() == gone_before) continue;
    const Result<> synced = co_await sync(*opened);
    if (!synced) co_return std::unexpected(synced.error());
  }
  co_return std::move(gone);
}

Task<Result<>> BlobStore::check_room(uint64_t bytes) {
  const Result<io::FileSystemStatus> looked = co_await file_system();
  if (!looked) co_return std::unexpected(looked.error());
  if (space_.bytes_above_floor() < bytes) co_return io::fail(Errc::no_space, "reserve");
  co_return Result<>{};
}

Task<Result<>> BlobStore::probe() {
  const Result<> room = co_await check_room(1);
  if (!room) co_return room;
  const Result<> made = co_await unsettled_.make_directory(kProbeName);
  if (!made && made.error().code != Errc::exists) {
    // The caller's directory is meant: that it is gone is no answer like "no such blob".
    const bool gone = made.error().code == Errc::not_found;
    co_return gone ? io::fail(Errc::system, "mkdir", ENOENT) : made;
  }
  const Result<> removed = co_await unsettled_.remove_directory(kProbeName);
  if (!removed && removed.error().code != Errc::not_found) co_return removed;
  co_return Result<>{};
}

Task<Result<std::vector<uint32_t>>> BlobStore::unsettled_directories() {
  std::vector<std::string> names;
  const Result<> listed = co_await unsettled_.list(names);
  if (!listed) co_return std::unexpected(listed.error());
  std::vector<uint32_t> numbers;
  for (const std::string& name : names) {
    const std::optional<uint32_t> number = parse_hex_name(name, 8);
    if (number) numbers.push_back(*number);
  }
  std::ranges::sort(numbers);
  co_return std::move(numbers);
}

Task<Result<std::vector<BlobId>>> BlobStore::list(uint32_t directory) {
  const std::string name = directory_name(directory);
  Result<io::OwnedFd> fd = co_await blobs_.open_directory(name.c_str());
  if (!fd) co_return std::unexpected(fd.error());
  const io::Directory opened(loop_, std::move(*fd));
  std::vector<std::string> names;
  const Result<> listed = co_await opened.list(names);
  if (!listed) co_return std::unexpected(listed.error());
  std::vector<BlobId> blobs;
  for (const std::string& file : names) {
    const std::optional<uint32_t> serial = parse_hex_name(file, 3);
    if (serial) blobs.push_back(BlobId::make(directory, *serial));
  }
  std::ranges::sort(blobs);
  co_return std::move(blobs);
}

// The mark goes last: were it gone while the removal of a file is not yet durable, a crash would bring the file back
// where nobody looks any more.
Task<Result<>> BlobStore::mark_settled(uint32_t directory) {
  const std::string name = directory_name(directory);
  Result<io::OwnedFd> fd = co_await blobs_.open_directory(name.c_str());
  if (!fd && fd.error().code != Errc::not_found) co_return std::unexpected(fd.error());
  if (fd) {
    const io::Directory opened(loop_, std::move(*fd));
    const Result<> synced = co_await sync(opened);
    if (!synced) co_return synced;
  }
  Result<> removed = co_await unsettled_.remove_directory(name.c_str());
  if (!removed && removed.error().code == Errc::not_found) removed = Result<>{};
  co_return removed;
}

Task<Result<>> BlobStore::take_marks_away() {
  if (space_.failed.load()) co_return Result<>{};  // the next start looks
  for (std::size_t i = 0; i < filled_.size();) {
    if (filled_[i]->unsettled > 0) {
      ++i;
      continue;
    }
    const std::shared_ptr<BlobDirectory> settled = std::move(filled_[i]);
    filled_.erase(filled_.begin() + static_cast<std::ptrdiff_t>(i));
    const Result<> removed = co_await mark_settled(settled->number);
    if (!removed) co_return removed;
  }
  co_return Result<>{};
}

Task<Result<>> BlobStore::upkeep() {
  gone_on_in_.reset();  // who goes on again opens it again
  open_blobs_.forget_unused();
  const Result<io::FileSystemStatus> looked = co_await file_system();
  if (!looked) co_return std::unexpected(looked.error());
  co_return co_await take_marks_away();
}

Task<> BlobStore::close() {
  gone_on_in_.reset();
  open_blobs_.forget_all();
  if (filling_) filled_.push_back(std::move(filling_));
  const Result<> settled = co_await take_marks_away();
  if (!settled) loop_.log().warn(fmt::format("blob directories stay marked: {}", io::describe(settled.error())));
}

}  // namespace ringdrop::storage
