#include "io/buffer_pool.h"

#include <sys/mman.h>

#include <algorithm>

#include "base/check.h"
#include "io/pending.h"
#include "io/uring_setup.h"

namespace ringdrop::io {
namespace {

constexpr std::size_t kHugePageBytes = 2 * kMiB;  // x86-64, and arm64 with small pages of 4 KiB

// The reserve is a quarter, rounded up: no less is promised to those that do not upload, and no more than the other
// three may be registered. What is before it is enough for the half that may be large.
constexpr std::size_t slabs_before_reserve(std::size_t slabs) {
  return slabs - (slabs + 3) / 4;
}

}  // namespace

Buffer::~Buffer() {
  if (pool_) pool_->give_back(*this);
}

BufferPool::BufferPool(EventLoop& loop, uint64_t budget_bytes)
    : loop_(loop),
      slabs_(budget_bytes / kSlabBytes),
      upload_waiters_(loop, "an upload that has waited for a buffer"),
      other_waiters_(loop, "what has waited for a buffer"),
      preparing_(loop) {
  CHECK_THAT(slabs_.size() >= 4);
  for (std::size_t i = slabs_before_reserve(slabs_.size()); i < slabs_.size(); ++i) {
    slabs_[i].memory = Slab::Memory::reserve;
  }
  loop_.health().pool_bytes.store(slabs_.size() * kSlabBytes, std::memory_order_relaxed);
  const std::size_t bytes = slabs_.size() * kSlabBytes;
  void* const mapped =
      mmap(nullptr, bytes + kHugePageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK_THAT(mapped != MAP_FAILED);
  mapped_ = static_cast<std::byte*>(mapped);
  const auto address = reinterpret_cast<uintptr_t>(mapped);
  memory_ = mapped_ + (align_up(address, kHugePageBytes) - address);
  // The fault of a small page waits for nothing, and a small buffer takes no more than it has. Large ones: prepare().
  static_cast<void>(madvise(memory_, bytes, MADV_NOHUGEPAGE));
}

BufferPool::~BufferPool() {
  CHECK_THAT(lent_bytes_ == 0);
  munmap(mapped_, slabs_.size() * kSlabBytes + kHugePageBytes);
}

uint64_t BufferPool::registrable_bytes(uint64_t budget_bytes) {
  return std::min<uint64_t>(slabs_before_reserve(budget_bytes / kSlabBytes), kFixedBufferSlots) * kSlabBytes;
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
  const std::optional<unsigned> index = slab_for(use, piece_bytes);
  if (!index) return std::nullopt;
  Slab& slab = slabs_[*index];
  const std::size_t piece = slab.free_pieces.back();
  slab.free_pieces.pop_back();
  lent_bytes_ += piece_bytes;
  loop_.health().pool_lent_bytes.store(lent_bytes_, std::memory_order_relaxed);
  std::byte* const start = memory_ + *index * kSlabBytes + piece * piece_bytes;
  return Buffer(*this, MutableBytes(start, piece_bytes), *index, slab.fixed);
}

// A slab with a free piece of that size, else an undivided one. A small piece takes from those that are resident, and
// registered perhaps, when no other has one, and from the reserve when no slab has one that an upload could have too: a
// download holds its piece for as long as its client likes, and what the reserve is for is the next one. A large piece
// is of the resident ones alone: without any, one is prepared from now on.
std::optional<unsigned> BufferPool::slab_for(Use use, std::size_t piece_bytes) {
  using enum Slab::Memory;
  if (piece_bytes == kLargeBufferBytes) {
    std::optional<unsigned> slab = lowest_slab(piece_bytes, resident);
    if (slab || (large_slabs_ + 1) * 2 > slabs_.size()) return slab;
    slab = lowest_slab(kUndivided, resident);
    if (slab) divide(*slab, piece_bytes);
    if (!slab) prepare_one();
    return slab;
  }
  for (const Slab::Memory memory : {bare, resident, reserve}) {
    if (memory == reserve && use == Use::upload) break;
    std::optional<unsigned> slab = lowest_slab(piece_bytes, memory);
    if (slab) return slab;
    slab = lowest_slab(kUndivided, memory);
    if (slab) divide(*slab, piece_bytes);
    if (slab) return slab;
  }
  return std::nullopt;
}

// With a free piece of that size, or undivided. The lowest, so that few have memory.
std::optional<unsigned> BufferPool::lowest_slab(std::size_t piece_bytes, Slab::Memory memory) const {
  for (unsigned i = 0; i < slabs_.size(); ++i) {
    const Slab& slab = slabs_[i];
    if (slab.piece_bytes != piece_bytes || slab.memory != memory) continue;
    if (piece_bytes == kUndivided || !slab.free_pieces.empty()) return i;
  }
  return std::nullopt;
}

void BufferPool::divide(unsigned index, std::size_t piece_bytes) {
  Slab& slab = slabs_[index];
  slab.piece_bytes = piece_bytes;
  if (piece_bytes == kLargeBufferBytes) ++large_slabs_;
  const std::size_t pieces = kSlabBytes / piece_bytes;
  for (std::size_t piece = pieces; piece-- > 0;) slab.free_pieces.push_back(static_cast<uint16_t>(piece));
}

void BufferPool::prepare_one() {
  if (is_preparing()) return;
  const std::optional<unsigned> slab = lowest_slab(kUndivided, Slab::Memory::bare);
  if (slab) preparing_.spawn(prepare(*slab));
}

Task<> BufferPool::prepare(unsigned index) {
  Slab& slab = slabs_[index];
  slab.memory = Slab::Memory::in_preparation;
  const MutableBytes memory(memory_ + index * kSlabBytes, kSlabBytes);
  Request request;
  request.op = Op::make_resident;
  request.data = memory.data();
  request.bytes = memory.size();
  const Result<> done = co_await Pending<void>(loop_, "prepare", request);
  // Not done: whoever wants a large one next tries again.
  slab.memory = done ? Slab::Memory::resident : Slab::Memory::bare;
  if (done && loop_.ring().register_memory(index, memory)) slab.fixed = static_cast<int>(index);
  wake(kSlabBytes / kSmallBufferBytes, false);
}

void BufferPool::give_back(Buffer& buffer) {
  Slab& slab = slabs_[buffer.slab_];
  const auto offset = static_cast<std::size_t>(buffer.data() - memory_) % kSlabBytes;
  slab.free_pieces.push_back(static_cast<uint16_t>(offset / slab.piece_bytes));
  lent_bytes_ -= buffer.size();
  loop_.health().pool_lent_bytes.store(lent_bytes_, std::memory_order_relaxed);
  // Small buffers that can be lent now and could not before: none while the other half of a slab of large ones is out.
  std::size_t served = slab.piece_bytes == kSmallBufferBytes ? 1 : 0;
  if (slab.free_pieces.size() == kSlabBytes / slab.piece_bytes) {
    if (slab.piece_bytes == kLargeBufferBytes) {
      --large_slabs_;
      served = kSlabBytes / kSmallBufferBytes;
    }
    slab.piece_bytes = kUndivided;
    slab.free_pieces.clear();
  }
  wake(served, slab.memory == Slab::Memory::reserve);
}

// As many as can be served, and no more: who is woken in vain waits at the end again.
void BufferPool::wake(std::size_t served, bool reserved) {
  while (served > 0 && wake_next(reserved)) --served;
}

// Heads and downloads first, since they are what a person waits for; then in turn, so that neither starves the other.
bool BufferPool::wake_next(bool reserved) {
  const bool upload_waits = !reserved && upload_waiters_.size() > 0;
  const bool other_waits = other_waiters_.size() > 0;
  if (!upload_waits && !other_waits) return false;
  const bool upload = upload_waits && (uploads_turn_ || !other_waits);
  (upload ? upload_waiters_ : other_waiters_).wake_one();
  uploads_turn_ = !upload;
  return true;
}

}  // namespace ringdrop::io
