// Files and directories for the commands that work through a data directory (fsck, scrub, backup): plain calls that
// block, for a thread that serves nobody. The server's own are in io/file.h.
//
// Names are relative to their directory and never leave it, as there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "io/error.h"
#include "io/operation.h"

namespace ringdrop::io {

class LocalFd {
 public:
  explicit LocalFd(int fd) : fd_(fd) {}
  LocalFd(LocalFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  LocalFd& operator=(LocalFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~LocalFd();
  int get() const { return fd_; }

 private:
  int fd_;
};

// How a file came into another directory.
enum class Duplication : uint8_t {
  reflink,    // shares its blocks until one of both is written (FICLONE)
  hard_link,  // is the same file
  copy,
};

// A file that is read from its beginning to its end without pushing out what others have in the page cache: by
// O_DIRECT, or where the file system cannot, by telling the kernel to forget.
class ScannedFile {
 public:
  uint64_t size_bytes() const { return size_bytes_; }
  // Up to into.size() bytes, fewer only at the end of the file; `into` and `offset` are aligned to kDirectAlignment.
  // system.
  Result<std::size_t> read_at(MutableBytes into, uint64_t offset) const;

 private:
  friend class LocalDirectory;
  ScannedFile(LocalFd fd, bool direct, uint64_t size_bytes)
      : fd_(std::move(fd)), direct_(direct), size_bytes_(size_bytes) {}
  LocalFd fd_;
  bool direct_;
  uint64_t size_bytes_;
};

// Errors of all: not_found, exists, no_space, exhausted, system.
class LocalDirectory {
 public:
  // At any path: what the user of the process has named.
  static Result<LocalDirectory> open(const std::string& path);
  Result<LocalDirectory> open_directory(const std::string& name) const;
  // Without "." and "..", unordered. Memory in proportion to their number.
  Result<std::vector<std::string>> list() const;
  // Of the entry itself: a symbolic link is no regular file.
  Result<FileStatus> status(const std::string& name) const;
  Result<ScannedFile> open_scanned(const std::string& name) const;

  // 0700.
  Result<> make_directory(const std::string& name) const;
  Result<> remove_file(const std::string& name) const;
  // Entries made or removed before are on the device.
  Result<> sync() const;
  // The file `name` of `from` appears here, durable but for its entry; in the cheapest way that there is. What was not
  // possible once is not tried again with the same `cheapest`.
  Result<Duplication> duplicate_from(const LocalDirectory& from, const std::string& name, Duplication& cheapest) const;

  // Takes the lock `name`, which is made when it is missing, until the result goes. exists: another process has it.
  Result<LocalFd> lock(const std::string& name) const;

 private:
  explicit LocalDirectory(LocalFd fd) : fd_(std::move(fd)) {}
  Result<> copy_from(const LocalDirectory& from, const std::string& name, bool by_reflink) const;
  LocalFd fd_;
};

// 0700. exists when there is anything of that name.
Result<> make_local_directory(const std::string& path);
// Gives `from` the name `to` durably; both in one directory. An empty directory at `to` is replaced.
Result<> rename_local_directory(const std::string& from, const std::string& to);

}  // namespace ringdrop::io
