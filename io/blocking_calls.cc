#include "io/blocking_calls.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace ringdrop::io {
namespace {

constexpr long kXfsMagic = 0x58465342;  // not in linux/magic.h of Debian 12

int32_t list_directory(int fd, std::vector<std::string>& names) {
  names.clear();
  // The stream takes its descriptor along when it closes; a duplicate shares the position: rewind.
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return -errno;
  DIR* const stream = fdopendir(copy);
  if (stream == nullptr) {
    const int error = errno;
    close(copy);
    return -error;
  }
  rewinddir(stream);
  errno = 0;
  while (const dirent* entry = readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  const int error = errno;
  closedir(stream);
  return -error;
}

std::string type_name(long magic) {
  switch (magic) {
    case EXT4_SUPER_MAGIC:
      return "ext4";
    case kXfsMagic:
      return "xfs";
    case BTRFS_SUPER_MAGIC:
      return "btrfs";
    case TMPFS_MAGIC:
      return "tmpfs";
    case RAMFS_MAGIC:
      return "ramfs";
    case OVERLAYFS_SUPER_MAGIC:
      return "overlay";
    case NFS_SUPER_MAGIC:
      return "nfs";
    case FUSE_SUPER_MAGIC:
      return "fuse";
    default:
      return fmt::format("{:#x}", static_cast<unsigned long>(magic));
  }
}

int32_t file_system(int fd, FileSystemStatus& status) {
  struct statfs info{};
  if (fstatfs(fd, &info) != 0) return -errno;
  const auto block = static_cast<uint64_t>(info.f_frsize > 0 ? info.f_frsize : info.f_bsize);
  status.free_bytes = info.f_bavail * block;
  status.total_bytes = info.f_blocks * block;
  status.type = type_name(info.f_type);
  return 0;
}

int32_t file_status(int fd, FileStatus& status) {
  struct stat info{};
  if (fstat(fd, &info) != 0) return -errno;
  status.size_bytes = static_cast<uint64_t>(info.st_size);
  status.regular = S_ISREG(info.st_mode);
  status.modified_ns = int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
  status.allocated_bytes = static_cast<uint64_t>(info.st_blocks) * 512;  // stat(3type)
  return 0;
}

// A huge page is one segment of the device's request where 512 small ones are more than many devices take at once, and
// one entry of the TLB. Where there are none nothing changes.
//
// Touched page by page: MADV_POPULATE_WRITE keeps the process's memory map locked while the kernel moves others' pages
// for huge ones, and every mmap of a loop waits for that; a fault of its own does not (since Linux 6.4).
void make_resident(MutableBytes memory) {
  // What is there in small pages would stay so.
  static_cast<void>(madvise(memory.data(), memory.size(), MADV_DONTNEED));
  static_cast<void>(madvise(memory.data(), memory.size(), MADV_HUGEPAGE));
  const auto page_bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  for (std::size_t offset = 0; offset < memory.size(); offset += page_bytes) {
    *static_cast<volatile std::byte*>(memory.data() + offset) = std::byte{0};
  }
}

}  // namespace

bool is_blocking_call(Op op) {
  switch (op) {
    case Op::truncate:
    case Op::stat:
    case Op::list_directory:
    case Op::file_system:
    case Op::lock:
    case Op::make_resident:
      return true;
    default:
      return false;
  }
}

void BlockingCall::run() noexcept {
  const Request& request = operation_.request;
  switch (request.op) {
    case Op::truncate:
      result_ = ftruncate(request.fd, static_cast<off_t>(request.length)) == 0 ? 0 : -errno;
      break;
    case Op::stat:
      result_ = file_status(request.fd, *request.file_status);
      break;
    case Op::list_directory:
      result_ = list_directory(request.fd, *request.names);
      break;
    case Op::lock:
      result_ = flock(request.fd, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno;
      break;
    case Op::file_system:
      result_ = file_system(request.fd, *request.file_system_status);
      break;
    case Op::make_resident:
      make_resident(MutableBytes(request.data, request.bytes));
      break;
    default:
      result_ = -ENOSYS;
  }
}

}  // namespace ringdrop::io
