#include "io/file_duplicator.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "io/direct_buffer.h"

namespace ringdrop::io {
namespace {

constexpr std::size_t kPieceBytes = kMiB;
constexpr uint64_t kWindowBytes = 8 * kMiB;
static_assert(kPieceBytes % kDirectAlignment == 0);

std::unexpected<Error> last_error(const char* op) {
  return std::unexpected(error_from_errno(errno, op));
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

// Writes a file from its beginning on, and leaves two windows of it in the page cache at most: what others have there
// stays, and neither a stop nor the last sync waits long for the device. sync_file_range(2)
class StreamedFile {
 public:
  explicit StreamedFile(const LocalFd& fd) : fd_(fd.get()) {}

  Result<> append(Bytes bytes) {
    while (!bytes.empty()) {
      const ssize_t written = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(end_));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return last_error("write");
      if (written == 0) return fail(Errc::system, "write", EIO);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
      end_ += static_cast<uint64_t>(written);
    }
    return end_ - begun_ < kWindowBytes ? Result<>{} : next_window();
  }

  Result<> finish() const {
    if (fsync(fd_) != 0) return last_error("fsync");
    posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
    return {};
  }

 private:
  // What was begun a window ago is waited for and forgotten; what came since is begun.
  Result<> next_window() {
    constexpr unsigned kToTheEnd = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    if (settled_ < begun_) {
      const auto from = static_cast<off_t>(settled_);
      const auto length = static_cast<off_t>(begun_ - settled_);
      if (sync_file_range(fd_, from, length, kToTheEnd) != 0) return last_error("write");
      posix_fadvise(fd_, from, length, POSIX_FADV_DONTNEED);
      settled_ = begun_;
    }
    const auto length = static_cast<off_t>(end_ - begun_);
    if (sync_file_range(fd_, static_cast<off_t>(begun_), length, SYNC_FILE_RANGE_WRITE) != 0) {
      return last_error("write");
    }
    begun_ = end_;
    return {};
  }

  const int fd_;
  uint64_t settled_ = 0;  // before it nothing is in the page cache
  uint64_t begun_ = 0;    // before it the device has been given all
  uint64_t end_ = 0;
};

Result<> copy_bytes(const ScannedFile& from, const LocalFd& to, const std::function<bool(uint64_t)>& between) {
  const DirectBuffer piece(kPieceBytes);
  StreamedFile target(to);
  for (uint64_t offset = 0; offset < from.size_bytes();) {
    const std::size_t wanted = std::min<uint64_t>(kPieceBytes, from.size_bytes() - offset);
    const Result<std::size_t> got = from.read_at(piece.bytes(), offset);
    if (!got && got.error().code == Errc::exhausted) return std::unexpected(got.error());
    if (!got) return fail(Errc::corrupt, "read", got.error().sys_errno);
    if (*got < wanted) return fail(Errc::corrupt, "read");
    const Result<> written = target.append(piece.bytes().first(wanted));
    if (!written) return written;
    if (!between(wanted)) return fail(Errc::cancelled, "copy");
    offset += wanted;
  }
  return target.finish();
}

}  // namespace

Result<> FileDuplicator::make(const LocalDirectory& to, const std::string& name, const ScannedFile& file,
                              bool by_reflink) const {
  const Result<LocalFd> target = to.make_file(name);
  if (!target) return std::unexpected(target.error());
  Result<> made;
  if (by_reflink) {
    made = file.clone_to(*target);
    if (made && fsync(target->get()) != 0) made = last_error("fsync");
  } else {
    made = copy_bytes(file, *target, between_);
  }
  if (!made) static_cast<void>(to.remove_file(name));
  return made;
}

Result<Duplication> FileDuplicator::duplicate(const LocalDirectory& from, const std::string& name,
                                              const ScannedFile& file, const LocalDirectory& to) {
  if (cheapest_ == Duplication::reflink) {
    const Result<> cloned = make(to, name, file, true);
    if (cloned) return Duplication::reflink;
    if (!is_impossible(cloned.error())) return std::unexpected(cloned.error());
    cheapest_ = Duplication::hard_link;
  }
  if (cheapest_ == Duplication::hard_link) {
    const Result<> linked = to.link_from(from, name);
    if (linked) return Duplication::hard_link;
    if (!is_impossible(linked.error())) return std::unexpected(linked.error());
    if (linked.error().sys_errno != EMLINK) cheapest_ = Duplication::copy;
  }
  const Result<> copied = make(to, name, file, false);
  if (!copied) return std::unexpected(copied.error());
  return Duplication::copy;
}

}  // namespace ringdrop::io
