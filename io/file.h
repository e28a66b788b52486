// Files and directories, every call a completion of the ring. Names are relative to a directory and never leave it
// (openat2 RESOLVE_BENEATH | NO_SYMLINKS | NO_MAGICLINKS). No deadline and no stop: a disk's answer is always awaited.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "io/event_loop.h"
#include "io/owned_fd.h"
#include "io/pending.h"
#include "io/task.h"

namespace ringdrop::io {

enum class OpenMode : uint8_t {
  read,            // an existing file
  read_own,        // the same, its time of access left alone: system EPERM when it is not the process's own
  read_write,      // an existing file
  open_or_create,  // read and write; 0600 when it is new
  create,          // a new file, 0600, read and write; exists when the name is taken
  direct_write,    // an existing file, O_WRONLY | O_DIRECT; system EINVAL where the file system cannot
};

// What of a file is in the kernel's memory, looked at through a window of address space that moves along.
class PageWindow {
 public:
  PageWindow() = default;
  PageWindow(PageWindow&& other) noexcept { *this = std::move(other); }
  PageWindow& operator=(PageWindow&& other) noexcept;
  ~PageWindow() { close(); }

  // For a file of `length` bytes that is the process's own.
  void begin(Ring& ring, uint64_t length) {
    ring_ = &ring;
    length_ = length;
  }
  bool in_memory(int fd, uint64_t offset, std::size_t bytes, TimePoint now);

 private:
  bool is_cached(int fd, uint64_t offset, std::size_t bytes, TimePoint now);
  bool move_to(int fd, uint64_t offset, std::size_t bytes);
  void close();

  Ring* ring_ = nullptr;
  uint64_t length_ = 0;
  void* pages_ = nullptr;
  uint64_t begin_ = 0;  // of the window
  std::size_t bytes_ = 0;
  TimePoint seen_{};  // when these were all there
  uint64_t seen_offset_ = 0;
  std::size_t seen_bytes_ = 0;
  bool can_count_ = true;               // the kernel, pages that it has
  std::optional<TimePoint> missed_at_;  // when something was not there the last time, or nothing was known
};

class File {
 public:
  File(EventLoop& loop, OwnedFd fd) : loop_(loop), fd_(std::move(fd)) {}
  File(File&&) = default;
  File& operator=(File&&) = delete;

  // 0 to into.size() bytes; 0: at or behind the end.
  Pending<std::size_t> read_some_at(MutableBytes into, uint64_t offset, int fixed_buffer = kNoFixedBuffer);
  // All of them, by as many calls as it takes. corrupt: the file ends before.
  Task<Result<>> read_all_at(MutableBytes into, uint64_t offset);
  // One to bytes.size() bytes. no_space, system.
  Pending<std::size_t> write_some_at(Bytes bytes, uint64_t offset, int fixed_buffer = kNoFixedBuffer);
  // All bytes, by as many calls as it takes. no_space, system.
  Task<Result<>> write_all_at(Bytes bytes, uint64_t offset, int fixed_buffer = kNoFixedBuffer);

  // What was written, and the size, are on the device (fdatasync). A failure is final: the file must not be trusted.
  Pending<void> sync_data();
  // Starts the write-back of a range and waits for it; bounds dirty memory, promises nothing (sync_file_range).
  Pending<void> write_behind(uint64_t offset, uint64_t length);
  // Reserves disk space; the size grows to offset + length, or stays (keep_size). no_space; system EOPNOTSUPP where the
  // file system cannot.
  Pending<void> allocate(uint64_t offset, uint64_t length, bool keep_size = false);
  Pending<void> truncate(uint64_t length);
  // Exclusive among processes until the file is closed. system EWOULDBLOCK: another process has it.
  Pending<void> lock();
  // The status is filled when the call has succeeded.
  Pending<void> stat(FileStatus& status);

  // For in_memory(): the file has `length` bytes and was opened as the process's own.
  void look_at_pages(uint64_t length) { pages_.begin(loop_.ring(), length); }
  // Whether these bytes can be sent by Socket::send_file_now() without a wait for the disk: now, or when they were
  // asked for up to 20 ms ago. Immediate; false too when it cannot be told.
  bool in_memory(uint64_t offset, std::size_t bytes) { return pages_.in_memory(fd_.get(), offset, bytes, loop_.now()); }

 private:
  friend class Socket;
  EventLoop& loop_;
  OwnedFd fd_;
  PageWindow pages_;
};

class Directory {
 public:
  Directory(EventLoop& loop, OwnedFd fd) : loop_(loop), fd_(std::move(fd)) {}
  Directory(Directory&&) = default;

  // `name` is a relative path that lives until the call has ended. not_found, exists, exhausted, system.
  Pending<OwnedFd> open_file(const char* name, OpenMode mode) const;
  Pending<OwnedFd> open_directory(const char* name) const;
  // exists when there is one of that name.
  Pending<void> make_directory(const char* name) const;
  Pending<void> remove_file(const char* name) const;
  Pending<void> remove_directory(const char* name) const;
  // Replaces the content of `names` by the entries' names, unordered. Memory in proportion to their number.
  Pending<void> list(std::vector<std::string>& names) const;
  // Entries made or removed before are on the device (fsync).
  Pending<void> sync() const;
  Pending<void> file_system(FileSystemStatus& status) const;

 private:
  EventLoop& loop_;
  OwnedFd fd_;
};

// At an absolute or relative path of the process: only for what its user has named, like the data directory; `path`
// lives until the call has ended.
Pending<OwnedFd> open_root_directory(EventLoop& loop, const char* path);
Pending<OwnedFd> open_root_file(EventLoop& loop, const char* path);  // for reading; a FIFO waits for its writer
Pending<void> make_root_directory(EventLoop& loop, const char* path);

}  // namespace ringdrop::io
