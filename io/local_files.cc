#include "io/local_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>

#include "io/buffer_pool.h"

namespace ringdrop::io {
namespace {

std::unexpected<Error> last_error(const char* op) {
  return std::unexpected(error_from_errno(errno, op));
}

Result<LocalFd> open_beneath(int directory, const std::string& name, int flags) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  if (flags & O_CREAT) how.mode = 0600;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const long fd = syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how);
  if (fd < 0) return last_error("open");
  return LocalFd(static_cast<int>(fd));
}

Result<LocalFd> open_directory_beneath(int directory, const std::string& name) {
  Result<LocalFd> fd = open_beneath(directory, name, O_RDONLY | O_DIRECTORY);
  if (fd) return fd;
  const int error = fd.error().sys_errno;
  if (error == ENOTDIR || error == ELOOP) return fail(Errc::corrupt, "open", error);
  return fd;
}

std::unexpected<Error> from_library(const std::error_code& error, const char* op) {
  return std::unexpected(error_from_errno(error.value(), op));
}

Result<LocalFd> locked(Result<LocalFd> fd) {
  if (!fd) return fd;
  if (flock(fd->get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno == EWOULDBLOCK) return fail(Errc::exists, "lock", EWOULDBLOCK);
  return last_error("lock");
}

}  // namespace

LocalFd::~LocalFd() {
  if (fd_ >= 0) ::close(fd_);
}

Result<std::size_t> ScannedFile::read_at(MutableBytes into, uint64_t offset) const {
  std::size_t got = 0;
  while (got < into.size()) {
    const ssize_t now = pread(fd_.get(), into.data() + got, into.size() - got, static_cast<off_t>(offset + got));
    if (now < 0 && errno == EINTR) continue;
    if (now < 0) return last_error("read");
    if (now == 0) break;
    got += static_cast<std::size_t>(now);
    // A direct read that ends unaligned has met the end; the kernel would refuse to begin there.
    if (direct_ && got % kDirectAlignment != 0) break;
  }
  if (!direct_) {
    posix_fadvise(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(got), POSIX_FADV_DONTNEED);
  }
  return got;
}

Result<> ScannedFile::clone_to(const LocalFd& empty) const {
  if (ioctl(empty.get(), FICLONE, fd_.get()) != 0) return last_error("reflink");
  return {};
}

Result<LocalDirectory> LocalDirectory::open(const std::string& path) {
  LocalFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return last_error("open");
  return LocalDirectory(std::move(fd));
}

Result<LocalDirectory> LocalDirectory::open_directory(const std::string& name) const {
  Result<LocalFd> fd = open_directory_beneath(fd_.get(), name);
  if (!fd) return std::unexpected(fd.error());
  return LocalDirectory(*std::move(fd));
}

Result<bool> LocalDirectory::is_mount_point() const {
  struct statx found{};
  if (statx(fd_.get(), "", AT_EMPTY_PATH, STATX_BASIC_STATS, &found) != 0) return last_error("statx");
  return (found.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

Result<bool> LocalDirectory::is_on_file_system_of(const LocalDirectory& other) const {
  struct stat own{};
  struct stat others{};
  if (fstat(fd_.get(), &own) != 0 || fstat(other.fd_.get(), &others) != 0) return last_error("stat");
  return own.st_dev == others.st_dev;
}

Result<std::vector<std::string>> LocalDirectory::list() const {
  // A descriptor of its own: closedir() takes it, and the position is its.
  const int own = ::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return last_error("open");
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(own), closedir);
  if (directory == nullptr) return last_error("open");
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* const entry = readdir(directory.get());
    if (entry == nullptr && errno != 0) return last_error("list");
    if (entry == nullptr) return names;
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
}

Result<FileStatus> LocalDirectory::status(const std::string& name) const {
  struct stat found{};
  if (fstatat(fd_.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOTDIR) return fail(Errc::not_found, "stat", ENOTDIR);  // nothing is below a file
    return last_error("stat");
  }
  FileStatus status;
  status.size_bytes = static_cast<uint64_t>(found.st_size);
  status.regular = S_ISREG(found.st_mode);
  return status;
}

Result<ScannedFile> LocalDirectory::open_scanned(const std::string& name) const {
  bool direct = true;
  Result<LocalFd> fd = open_beneath(fd_.get(), name, O_RDONLY | O_DIRECT | O_NONBLOCK);
  if (!fd && fd.error().sys_errno == EINVAL) {
    direct = false;
    fd = open_beneath(fd_.get(), name, O_RDONLY | O_NONBLOCK);
  }
  if (!fd) return std::unexpected(fd.error());
  struct stat found{};
  if (fstat(fd->get(), &found) != 0) return last_error("stat");
  if (!S_ISREG(found.st_mode)) return fail(Errc::corrupt, "open");
  return ScannedFile(*std::move(fd), direct, static_cast<uint64_t>(found.st_size));
}

Result<> LocalDirectory::make_directory(const std::string& name) const {
  if (mkdirat(fd_.get(), name.c_str(), 0700) != 0) return last_error("mkdir");
  return {};
}

Result<LocalFd> LocalDirectory::make_file(const std::string& name) const {
  return open_beneath(fd_.get(), name, O_RDWR | O_CREAT | O_EXCL);
}

Result<> LocalDirectory::link_from(const LocalDirectory& from, const std::string& name) const {
  if (linkat(from.fd_.get(), name.c_str(), fd_.get(), name.c_str(), 0) != 0) return last_error("link");
  return {};
}

Result<> LocalDirectory::remove_file(const std::string& name) const {
  if (unlinkat(fd_.get(), name.c_str(), 0) != 0) return last_error("unlink");
  return {};
}

Result<> LocalDirectory::sync() const {
  if (fsync(fd_.get()) != 0) return last_error("fsync");
  return {};
}

Result<> LocalDirectory::sync_file_system() const {
  if (syncfs(fd_.get()) != 0) return last_error("syncfs");
  return {};
}

Result<LocalFd> LocalDirectory::lock(const std::string& name) const {
  return locked(open_beneath(fd_.get(), name, O_RDWR | O_CREAT));
}

Result<LocalFd> LocalDirectory::lock_existing(const std::string& name) const {
  Result<LocalFd> fd = locked(open_beneath(fd_.get(), name, O_RDWR));
  struct stat found{};
  if (fd && fstat(fd->get(), &found) != 0) return last_error("stat");
  if (fd && found.st_nlink == 0) return fail(Errc::not_found, "lock");
  return fd;
}

Result<std::string> resolved_path(const std::string& path) {
  std::error_code error;
  std::filesystem::path resolved = std::filesystem::absolute(path, error);
  if (!error) resolved = std::filesystem::weakly_canonical(resolved, error);
  if (error) return from_library(error, "resolve");
  if (!resolved.has_filename()) resolved = resolved.parent_path();
  return resolved.string();
}

std::string parent_path(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

Result<> make_local_directory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0) return last_error("mkdir");
  return {};
}

Result<> remove_local_directory(const std::string& path) {
  if (rmdir(path.c_str()) != 0) return last_error("rmdir");
  return {};
}

Result<> remove_local_tree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return from_library(error, "remove");
  return {};
}

Result<> rename_local_directory(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) return last_error("rename");
  return {};
}

}  // namespace ringdrop::io
