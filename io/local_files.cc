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

#include "io/buffer_pool.h"

namespace ringdrop::io {
namespace {

constexpr std::size_t kCopyBytes = kMiB;

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

Result<> sync_path(const std::string& path) {
  const LocalFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || fsync(fd.get()) != 0) return last_error("fsync");
  return {};
}

// Directories have no name of their own at the end of "a/b/".
std::string parent_of(const std::string& path) {
  std::filesystem::path normal = std::filesystem::path(path).lexically_normal();
  if (!normal.has_filename()) normal = normal.parent_path();
  const std::filesystem::path parent = normal.parent_path();
  return parent.empty() ? "." : parent.string();
}

Result<> copy_bytes(int from, int to) {
  const auto buffer = std::make_unique<std::byte[]>(kCopyBytes);
  for (off_t offset = 0;;) {
    const ssize_t got = pread(from, buffer.get(), kCopyBytes, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return last_error("read");
    if (got == 0) return {};
    for (ssize_t done = 0; done < got;) {
      const ssize_t written = pwrite(to, buffer.get() + done, static_cast<std::size_t>(got - done), offset + done);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return last_error("write");
      if (written == 0) return fail(Errc::system, "write", EIO);
      done += written;
    }
    offset += got;
    posix_fadvise(from, 0, offset, POSIX_FADV_DONTNEED);
  }
}

// What another way may do better.
bool is_impossible(const Error& error) {
  switch (error.sys_errno) {
    case EXDEV:
    case EOPNOTSUPP:
    case EINVAL:
    case ENOTTY:
    case ENOSYS:
    case EPERM:
    case EMLINK:
      return true;
    default:
      return false;
  }
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

Result<LocalDirectory> LocalDirectory::open(const std::string& path) {
  LocalFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return last_error("open");
  return LocalDirectory(std::move(fd));
}

Result<LocalDirectory> LocalDirectory::open_directory(const std::string& name) const {
  Result<LocalFd> fd = open_beneath(fd_.get(), name, O_RDONLY | O_DIRECTORY);
  if (!fd) return std::unexpected(fd.error());
  return LocalDirectory(*std::move(fd));
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
  if (fstatat(fd_.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) return last_error("stat");
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

Result<> LocalDirectory::remove_file(const std::string& name) const {
  if (unlinkat(fd_.get(), name.c_str(), 0) != 0) return last_error("unlink");
  return {};
}

Result<> LocalDirectory::sync() const {
  if (fsync(fd_.get()) != 0) return last_error("fsync");
  return {};
}

Result<> LocalDirectory::copy_from(const LocalDirectory& from, const std::string& name, bool by_reflink) const {
  const Result<LocalFd> source = open_beneath(from.fd_.get(), name, O_RDONLY);
  if (!source) return std::unexpected(source.error());
  const Result<LocalFd> target = open_beneath(fd_.get(), name, O_RDWR | O_CREAT | O_EXCL);
  if (!target) return std::unexpected(target.error());
  Result<> copied;
  if (by_reflink) {
    if (ioctl(target->get(), FICLONE, source->get()) != 0) copied = last_error("reflink");
  } else {
    copied = copy_bytes(source->get(), target->get());
  }
  if (copied && fsync(target->get()) != 0) copied = last_error("fsync");
  if (!copied) unlinkat(fd_.get(), name.c_str(), 0);
  return copied;
}

Result<Duplication> LocalDirectory::duplicate_from(const LocalDirectory& from, const std::string& name,
                                                   Duplication& cheapest) const {
  if (cheapest == Duplication::reflink) {
    const Result<> cloned = copy_from(from, name, true);
    if (cloned) return Duplication::reflink;
    if (!is_impossible(cloned.error())) return std::unexpected(cloned.error());
    cheapest = Duplication::hard_link;
  }
  if (cheapest == Duplication::hard_link) {
    if (linkat(from.fd_.get(), name.c_str(), fd_.get(), name.c_str(), 0) == 0) return Duplication::hard_link;
    const Error error = error_from_errno(errno, "link");
    if (!is_impossible(error)) return std::unexpected(error);
    if (error.sys_errno != EMLINK) cheapest = Duplication::copy;
  }
  const Result<> copied = copy_from(from, name, false);
  if (!copied) return std::unexpected(copied.error());
  return Duplication::copy;
}

Result<LocalFd> LocalDirectory::lock(const std::string& name) const {
  Result<LocalFd> fd = open_beneath(fd_.get(), name, O_RDWR | O_CREAT);
  if (!fd) return fd;
  if (flock(fd->get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno == EWOULDBLOCK) return fail(Errc::exists, "lock", EWOULDBLOCK);
  return last_error("lock");
}

Result<> make_local_directory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0) return last_error("mkdir");
  return {};
}

Result<> rename_local_directory(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) return last_error("rename");
  return sync_path(parent_of(to));
}

}  // namespace ringdrop::io
