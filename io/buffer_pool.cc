#include "io/buffer_pool.h"

#include <sys/mman.h>

#include <algorithm>

#include "base/check.h"

namespace ringdrop::io {
namespace {

// What can still be lent as small buffers. A slab that is divided into large ones has none, even with a piece free.
template <class Slabs>
uint64_t free_small_bytes(const Slabs& slabs) {
  uint64_t bytes = 0;
  for (const auto& slab : slabs) {
    if (slab.piece_bytes == 0) bytes += kSlabBytes;
    if (slab.piece_bytes == kSmallBufferBytes) bytes += slab.free_pieces.size() * kSmallBufferBytes;
  }
  return bytes;
}

// What everybody but uploads has not yet taken of the quarter that is theirs: it stays free, in small buffers.
uint64_t kept_for_others(uint64_t budget_bytes, uint64_t others_bytes) {
  return budget_bytes / 4 - std::min(budget_bytes / 4, others_bytes);
}

}  // namespace

Buffer::~Buffer() {
  if (pool_) pool_->give_back(*this);
}

BufferPool::BufferPool(EventLoop& loop, uint64_t budget_bytes)
    : loop_(loop), slabs_(budget_bytes / kSlabBytes), upload_waiters_(loop), other_waiters_(loop) {
  CHECK_THAT(slabs_.size() >= 4);
  void* const memory = mmap(nullptr, slabs_.size() * kSlabBytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK_THAT(memory != MAP_FAILED);
  memory_ = static_cast<std::byte*>(memory);
}

BufferPool::~BufferPool() {
  CHECK_THAT(lent_bytes_ == 0);
  munmap(memory_, slabs_.size() * kSlabBytes);
}

Task<Result<Buffer>> BufferPool::small(Use use, TimePoint deadline, std::stop_token stop) {
  WaitList& waiters = use == Use::upload ? upload_waiters_ : other_waiters_;
  // Those who wait already go first, unless this one was just woken.
  bool woken = waiters.size() == 0;
  for (;;) {
    if (woken) {
      std::optional<Buffer> buffer = take(use, kSmallBufferBytes);
      if (buffer) co_return std::move(*buffer);
    }
    const Result<> waited = co_await waiters.wait(deadline, stop);
    if (!waited) co_return std::unexpected(waited.error());
    woken = true;
  }
}

std::optional<Buffer> BufferPool::try_small(Use use) {
  return take(use, kSmallBufferBytes);
}

std::optional<Buffer> BufferPool::try_large(Use use) {
  return take(use, kLargeBufferBytes);
}

std::optional<Buffer> BufferPool::take(Use use, std::size_t piece_bytes) {
  const bool upload = use == Use::upload;
  if (upload && upload_bytes_ + piece_bytes > budget_bytes() / 4 * 3) return std::nullopt;
  const uint64_t kept = kept_for_others(budget_bytes(), lent_bytes_ - upload_bytes_);
  if (upload && piece_bytes == kSmallBufferBytes && free_small_bytes(slabs_) < piece_bytes + kept) return std::nullopt;
  const std::optional<unsigned> index = slab_for(piece_bytes);
  if (!index) return std::nullopt;
  Slab& slab = slabs_[*index];
  const std::size_t piece = slab.free_pieces.back();
  slab.free_pieces.pop_back();
  lent_bytes_ += piece_bytes;
  if (upload) upload_bytes_ += piece_bytes;
  std::byte* const start = memory_ + *index * kSlabBytes + piece * piece_bytes;
  return Buffer(*this, MutableBytes(start, piece_bytes), *index, upload, slab.fixed);
}

// A slab of that size with a free piece, the lowest first so that few slabs become resident; else an undivided one.
std::optional<unsigned> BufferPool::slab_for(std::size_t piece_bytes) {
  std::optional<unsigned> undivided;
  for (unsigned i = 0; i < slabs_.size(); ++i) {
    if (slabs_[i].piece_bytes == piece_bytes && !slabs_[i].free_pieces.empty()) return i;
    if (slabs_[i].piece_bytes == 0 && !undivided) undivided = i;
  }
  if (!undivided) return std::nullopt;
  if (piece_bytes == kLargeBufferBytes) {
    const uint64_t kept = kept_for_others(budget_bytes(), lent_bytes_ - upload_bytes_);
    if ((large_slabs_ + 1) * 2 > slabs_.size() || free_small_bytes(slabs_) < kSlabBytes + kept) return std::nullopt;
  }
  divide(*undivided, piece_bytes);
  return undivided;
}

void BufferPool::divide(unsigned index, std::size_t piece_bytes) {
  Slab& slab = slabs_[index];
  slab.piece_bytes = piece_bytes;
  if (piece_bytes == kLargeBufferBytes) ++large_slabs_;
  const std::size_t pieces = kSlabBytes / piece_bytes;
  for (std::size_t piece = pieces; piece-- > 0;) slab.free_pieces.push_back(static_cast<uint16_t>(piece));
  if (slab.mapped_before) return;
  slab.mapped_before = true;
  const MutableBytes memory(memory_ + index * kSlabBytes, kSlabBytes);
  if (loop_.ring().register_memory(index, memory)) slab.fixed = static_cast<int>(index);
}

void BufferPool::give_back(Buffer& buffer) {
  const uint64_t free_before = free_small_bytes(slabs_);
  Slab& slab = slabs_[buffer.slab_];
  const auto offset = static_cast<std::size_t>(buffer.data() - memory_) % kSlabBytes;
  slab.free_pieces.push_back(static_cast<uint16_t>(offset / slab.piece_bytes));
  lent_bytes_ -= buffer.size();
  if (buffer.upload_) upload_bytes_ -= buffer.size();
  if (slab.free_pieces.size() == kSlabBytes / slab.piece_bytes) {
    if (slab.piece_bytes == kLargeBufferBytes) --large_slabs_;
    slab.piece_bytes = 0;
    slab.free_pieces.clear();
  }
  // Wakes as many as can be served by what came back, and no more: who is woken in vain waits at the end again. Heads
  // and downloads first: they are what a person waits for.
  const uint64_t free = free_small_bytes(slabs_);
  uint64_t served = (free - free_before) / kSmallBufferBytes;
  for (; served > 0 && other_waiters_.size() > 0; --served) other_waiters_.wake_one();
  if (upload_waiters_.size() == 0 || other_waiters_.size() > 0) return;
  // An upload's buffer gives its share back too, wherever the memory is.
  if (buffer.upload_) served = std::max<uint64_t>(served, buffer.size() / kSmallBufferBytes);
  const uint64_t kept = kept_for_others(budget_bytes(), lent_bytes_ - upload_bytes_);
  const uint64_t room = std::min(budget_bytes() / 4 * 3 - upload_bytes_, free - std::min(free, kept));
  served = std::min(served, room / kSmallBufferBytes);
  for (; served > 0 && upload_waiters_.size() > 0; --served) upload_waiters_.wake_one();
}

}  // namespace ringdrop::io
