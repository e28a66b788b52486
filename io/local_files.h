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

// A file that is read from its beginning to its end without pushing out what others have in the page cache: by
// O_DIRECT, or where the file system cannot, by telling the kernel to forget.
class ScannedFile {
 public:
  uint64_t size_bytes() const { return size_bytes_; }
  // Up to into.size() bytes, fewer only at the end of the file; `into` and `offset` are aligned to kDirectAlignment.
  // system.
  Result<std::size_t> read_at(MutableBytes into, uint64_t offset) const;
  // `empty` shares the file's blocks from now on, until one of both is written (ioctl_ficlone(2)). system: it cannot.
  Result<> clone_to(const LocalFd& empty) const;

 private:
  friend class LocalDirectory;
  ScannedFile(LocalFd fd, bool direct, uint64_t size_bytes)
      : fd_(std::move(fd)), direct_(direct), size_bytes_(size_bytes) {}
  LocalFd fd_;
  bool direct_;
  uint64_t size_bytes_;
};

// Errors of all: not_found, exists, no_space, exhausted, corrupt: it is something else (a file, a symbolic link, ...),
// system.
class LocalDirectory {
 public:
  // At any path: what the user of the process has named.
  static Result<LocalDirectory> open(const std::string& path);
  Result<LocalDirectory> open_directory(const std::string& name) const;
  // Another file system, or another part of one, is mounted here (statx(2)).
  Result<bool> is_mount_point() const;
  // By st_dev, so that the subvolumes of a btrfs count as several.
  Result<bool> is_on_file_system_of(const LocalDirectory& other) const;
  // Without "." and "..", unordered. Memory in proportion to their number.
  Result<std::vector<std::string>> list() const;
  // Of the entry itself: a symbolic link is no regular file.
  Result<FileStatus> status(const std::string& name) const;
  // corrupt: it is no regular file. Waits for nobody, whatever it is.
  Result<ScannedFile> open_scanned(const std::string& name) const;

  // 0700.
  Result<> make_directory(const std::string& name) const;
  // Empty, 0600, to be written and read.
  Result<LocalFd> make_file(const std::string& name) const;
  // The file `name` of `from` has an entry of the same name here too (link(2)).
  Result<> link_from(const LocalDirectory& from, const std::string& name) const;
  Result<> remove_file(const std::string& name) const;
  // Entries made or removed before are on the device.
  Result<> sync() const;
  // All files of the file system are on its device, data and metadata (syncfs(2)). Of earlier failures to write it
  // hears of those since this directory was opened.
  Result<> sync_file_system() const;

  // Takes the lock `name`, which is made when it is missing, until the result goes. exists: another process has it.
  Result<LocalFd> lock(const std::string& name) const;
  // The same of a lock that is there. not_found: it is not, or whoever had it has removed it.
  Result<LocalFd> lock_existing(const std::string& name) const;

 private:
  explicit LocalDirectory(LocalFd fd) : fd_(std::move(fd)) {}
  LocalFd fd_;
};

// Without symbolic links, "." and ".." as far as `path` exists, and without a slash at its end.
Result<std::string> resolved_path(const std::string& path);
// The directory that `path`, a resolved one, is an entry of.
std::string parent_path(const std::string& path);

// 0700. exists when there is anything of that name.
Result<> make_local_directory(const std::string& path);
// Of an empty directory.
Result<> remove_local_directory(const std::string& path);
// With everything in it. Not durable.
Result<> remove_local_tree(const std::string& path);
// Both in one directory, whose sync() makes it durable. An empty directory at `to` is replaced.
Result<> rename_local_directory(const std::string& from, const std::string& to);

}  // namespace ringdrop::io
