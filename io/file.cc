#include "io/file.h"

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace ringdrop::io {
namespace {

Request file_request(Op op, int fd) {
  Request request;
  request.op = op;
  request.fd = fd;
  return request;
}

Request path_request(Op op, int directory, const char* path, int flags) {
  Request request = file_request(op, directory);
  request.path = path;
  request.flags = flags;
  return request;
}

Request transfer_request(Op op, int fd, Bytes bytes, uint64_t offset, int fixed_buffer) {
  Request request = file_request(op, fd);
  request.data = const_cast<std::byte*>(bytes.data());
  request.bytes = bytes.size();
  request.offset = offset;
  request.fixed_buffer = fixed_buffer;
  return request;
}

int open_flags(OpenMode mode) {
  switch (mode) {
    case OpenMode::read:
      return O_RDONLY;
    case OpenMode::read_own:
      return O_RDONLY | O_NOATIME;
    case OpenMode::read_write:
      return O_RDWR;
    case OpenMode::open_or_create:
      return O_RDWR | O_CREAT;
    case OpenMode::create:
      return O_RDWR | O_CREAT | O_EXCL;
    case OpenMode::direct_write:
      return O_WRONLY | O_DIRECT;
  }
  return O_RDONLY;
}

// Half of it is moved on by: a piece of up to that lies inside.
constexpr uint64_t kPageWindowBytes = 64 * kMiB;
// A small file that is sent a thousand times a second is not looked at each time: what was read just now is the last
// that the kernel gives up.
constexpr std::chrono::milliseconds kPagesStay{20};
// Far longer than a disk that works needs for what the kernel reads ahead.
constexpr std::chrono::seconds kReadAheadLasts{1};

}  // namespace

PageWindow& PageWindow::operator=(PageWindow&& other) noexcept {
  std::swap(ring_, other.ring_);
  std::swap(length_, other.length_);
  std::swap(pages_, other.pages_);
  std::swap(begin_, other.begin_);
  std::swap(bytes_, other.bytes_);
  std::swap(can_count_, other.can_count_);
  std::swap(missed_at_, other.missed_at_);
  seen_bytes_ = 0;
  return *this;
}

void PageWindow::close() {
  if (pages_) ring_->unmap_pages(std::exchange(pages_, nullptr), bytes_);
}

bool PageWindow::move_to(int fd, uint64_t offset, std::size_t bytes) {
  if (pages_ && offset >= begin_ && offset + bytes <= begin_ + bytes_) return true;
  close();
  begin_ = align_down(offset, kPageWindowBytes / 2);
  bytes_ = std::min(kPageWindowBytes, length_ - begin_);
  if (offset + bytes > begin_ + bytes_) return false;
  pages_ = ring_->map_pages(fd, begin_, bytes_);
  if (!pages_) ring_ = nullptr;  // nor will it be possible the next time
  return pages_ != nullptr;
}

// To count the pages costs a thirtieth of asking for each, but counts those that are still being read: at first, and
// after something was missing, with which a read-ahead may have begun, each is asked for. What others begin to read in
// the middle of a piece meanwhile, another loop or program, is not noticed: the loop then waits once for the disk.
bool PageWindow::is_cached(int fd, uint64_t offset, std::size_t bytes, TimePoint now) {
  if (!missed_at_) missed_at_ = now;
  const bool counts = can_count_ && now - *missed_at_ >= kReadAheadLasts;
  const std::optional<bool> counted = counts ? ring_->all_cached(fd, offset, bytes) : std::nullopt;
  if (counted && *counted) return true;
  const bool there = move_to(fd, offset, bytes) && ring_->in_memory(pages_, offset - begin_, bytes);
  // The kernel refuses this process, or counts the pages of another file than the one it reads from (overlayfs).
  if (counts && (!counted || there)) can_count_ = false;
  return there;
}

bool PageWindow::in_memory(int fd, uint64_t offset, std::size_t bytes, TimePoint now) {
  if (!ring_ || bytes == 0 || offset + bytes > length_) return false;
  if (offset == seen_offset_ && bytes == seen_bytes_ && now - seen_ < kPagesStay) return true;
  bool there = is_cached(fd, offset, bytes, now);
  // Its last byte shows that nobody keeps readers out. Only of what is there: of what is not, this would begin a read
  // there, and the kernel would take who reads one piece after the other for one who jumps about.
  there = there && ring_->reads_at_once(fd, offset + bytes - 1);
  if (!there) {
    missed_at_ = now;
    return false;
  }
  seen_ = now;
  seen_offset_ = offset;
  seen_bytes_ = bytes;
  return true;
}

Pending<std::size_t> File::read_some_at(MutableBytes into, uint64_t offset, int fixed_buffer) {
  return {loop_, "read", transfer_request(Op::read, fd_.get(), into, offset, fixed_buffer)};
}

Pending<std::size_t> File::write_some_at(Bytes bytes, uint64_t offset, int fixed_buffer) {
  return {loop_, "write", transfer_request(Op::write, fd_.get(), bytes, offset, fixed_buffer)};
}

Task<Result<>> File::read_all_at(MutableBytes into, uint64_t offset) {
  while (!into.empty()) {
    const Result<std::size_t> got = co_await read_some_at(into, offset);
    if (!got) co_return std::unexpected(got.error());
    if (*got == 0) co_return fail(Errc::corrupt, "read");
    into = into.subspan(*got);
    offset += *got;
  }
  co_return Result<>{};
}

Task<Result<>> File::write_all_at(Bytes bytes, uint64_t offset, int fixed_buffer) {
  while (!bytes.empty()) {
    const Result<std::size_t> written = co_await write_some_at(bytes, offset, fixed_buffer);
    if (!written) co_return std::unexpected(written.error());
    // A device that takes nothing and reports no error would be asked for ever.
    if (*written == 0) co_return fail(Errc::system, "write");
    bytes = bytes.subspan(*written);
    offset += *written;
  }
  co_return Result<>{};
}

Pending<void> File::sync_data() {
  return {loop_, "fdatasync", file_request(Op::sync_data, fd_.get())};
}

Pending<void> File::write_behind(uint64_t offset, uint64_t length) {
  Request request = file_request(Op::write_behind, fd_.get());
  request.offset = offset;
  request.length = length;
  return {loop_, "sync_file_range", request};
}

Pending<void> File::allocate(uint64_t offset, uint64_t length, bool keep_size) {
  Request request = file_request(Op::allocate, fd_.get());
  request.offset = offset;
  request.length = length;
  if (keep_size) request.flags = FALLOC_FL_KEEP_SIZE;
  return {loop_, "fallocate", request};
}

Pending<void> File::truncate(uint64_t length) {
  Request request = file_request(Op::truncate, fd_.get());
  request.length = length;
  return {loop_, "ftruncate", request};
}

Pending<void> File::lock() {
  return {loop_, "flock", file_request(Op::lock, fd_.get())};
}

Pending<void> File::stat(FileStatus& status) {
  Request request = file_request(Op::stat, fd_.get());
  request.file_status = &status;
  return {loop_, "statx", request};
}

Pending<OwnedFd> Directory::open_file(const char* name, OpenMode mode) const {
  return {loop_, "open", path_request(Op::open, fd_.get(), name, open_flags(mode))};
}

Pending<OwnedFd> Directory::open_directory(const char* name) const {
  return {loop_, "open", path_request(Op::open, fd_.get(), name, O_RDONLY | O_DIRECTORY)};
}

Pending<void> Directory::make_directory(const char* name) const {
  return {loop_, "mkdir", path_request(Op::make_directory, fd_.get(), name, 0)};
}

Pending<void> Directory::remove_file(const char* name) const {
  return {loop_, "unlink", path_request(Op::unlink, fd_.get(), name, 0)};
}

Pending<void> Directory::remove_directory(const char* name) const {
  return {loop_, "rmdir", path_request(Op::unlink, fd_.get(), name, AT_REMOVEDIR)};
}

Pending<void> Directory::list(std::vector<std::string>& names) const {
  Request request = file_request(Op::list_directory, fd_.get());
  request.names = &names;
  return {loop_, "getdents", request};
}

Pending<void> Directory::sync() const {
  return {loop_, "fsync", file_request(Op::sync_all, fd_.get())};
}

Pending<void> Directory::file_system(FileSystemStatus& status) const {
  Request request = file_request(Op::file_system, fd_.get());
  request.file_system_status = &status;
  return {loop_, "fstatfs", request};
}

Pending<OwnedFd> open_root_directory(EventLoop& loop, const char* path) {
  return {loop, "open", path_request(Op::open, AT_FDCWD, path, O_RDONLY | O_DIRECTORY)};
}

Pending<OwnedFd> open_root_file(EventLoop& loop, const char* path) {
  return {loop, "open", path_request(Op::open, AT_FDCWD, path, O_RDONLY)};
}

Pending<void> make_root_directory(EventLoop& loop, const char* path) {
  return {loop, "mkdir", path_request(Op::make_directory, AT_FDCWD, path, 0)};
}

}  // namespace ringdrop::io
