#include "io/page_cache.h"

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace ringdrop::io {
namespace {

const std::size_t kPageBytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
// How many pages are asked for at a time: 1 MiB of 4 KiB ones.
constexpr std::size_t kPagesAtOnce = 256;

// cachestat(2), which the headers of Linux 6.1 do not have.
constexpr long kCachestat = 451;
struct CachestatRange {
  uint64_t offset;
  uint64_t bytes;
};
struct Cachestat {
  uint64_t cached;
  uint64_t dirty;
  uint64_t under_writeback;
  uint64_t evicted;
  uint64_t recently_evicted;
};

bool must_wait(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

bool is_the_peers(int error) {
  return error == EPIPE || error == ECONNRESET || error == ETIMEDOUT || error == ENOTCONN;
}

}  // namespace

bool page_cache_can_be_asked() {
  void* const page = mmap(nullptr, kPageBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return false;
  unsigned char there = 0;
  const bool asked = mincore(page, kPageBytes, &there) == 0;
  munmap(page, kPageBytes);
  return asked;
}

void* map_file_pages(int fd, uint64_t offset, std::size_t bytes) {
  void* const pages = mmap(nullptr, bytes, PROT_NONE, MAP_SHARED, fd, static_cast<off_t>(offset));
  return pages == MAP_FAILED ? nullptr : pages;
}

void unmap_file_pages(void* pages, std::size_t bytes) {
  munmap(pages, bytes);
}

bool pages_in_memory(const void* pages, std::size_t offset, std::size_t bytes) {
  const std::size_t end = offset + bytes;
  offset -= offset % kPageBytes;
  std::array<unsigned char, kPagesAtOnce> there;
  while (offset < end) {
    const std::size_t count = std::min((end - offset + kPageBytes - 1) / kPageBytes, kPagesAtOnce);
    auto* const first = static_cast<std::byte*>(const_cast<void*>(pages)) + offset;
    if (mincore(first, count * kPageBytes, there.data()) != 0) return false;
    const auto is_there = [](unsigned char page) { return (page & 1) != 0; };
    if (!std::all_of(there.begin(), there.begin() + static_cast<std::ptrdiff_t>(count), is_there)) return false;
    offset += count * kPageBytes;
  }
  return true;
}

std::optional<bool> all_pages_cached(int fd, uint64_t offset, std::size_t bytes) {
  const uint64_t begin = offset - offset % kPageBytes;
  const uint64_t pages = (offset + bytes - begin + kPageBytes - 1) / kPageBytes;
  const CachestatRange range{begin, pages * kPageBytes};
  Cachestat found{};
  if (syscall(kCachestat, fd, &range, &found, 0) != 0) return std::nullopt;
  return found.cached >= pages;
}

bool byte_reads_at_once(int fd, uint64_t offset) {
  std::byte read;
  const iovec into{&read, 1};
  return preadv2(fd, &into, 1, static_cast<off_t>(offset), RWF_NOWAIT) == 1;
}

Result<SentNow> send_file_without_waiting(int socket, Bytes head, int file, uint64_t offset, std::size_t bytes) {
  SentNow sent;
  if (!head.empty()) {
    // It leaves together with the first bytes of the file.
    const ssize_t now = ::send(socket, head.data(), head.size(), MSG_DONTWAIT | MSG_MORE | MSG_NOSIGNAL);
    if (now < 0 && !must_wait(errno)) return std::unexpected(error_from_errno(errno, "send"));
    if (now > 0) sent.bytes = static_cast<std::size_t>(now);
    sent.peer_is_full = sent.bytes < head.size();
    if (sent.peer_is_full) return sent;
  }
  auto at = static_cast<off_t>(offset);
  const ssize_t now = ::sendfile(socket, file, &at, bytes);
  if (now < 0 && is_the_peers(errno)) return std::unexpected(error_from_errno(errno, "send"));
  sent.peer_is_full = now < 0 ? must_wait(errno) : now > 0 && static_cast<std::size_t>(now) < bytes;
  if (now > 0) sent.bytes += static_cast<std::size_t>(now);
  return sent;
}

}  // namespace ringdrop::io
