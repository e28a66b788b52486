// The memory of one loop's transfers: aligned buffers in two sizes under one budget, so that memory follows the
// configuration and not the number of clients.
//
// The budget is mapped at once and becomes resident as it is used. A slab of 4 MiB holds two large or 256 small
// buffers. Before a slab is divided into large ones for the first time a worker makes it resident, in huge pages, which
// takes milliseconds, and it is registered with the ring where that is possible; meanwhile there are only the others.
// Small ones need none of that: their pages come one by one, and they keep to other slabs while they can. At most half
// of the slabs are lent as large buffers. The last quarter of the slabs (rounded up) is a reserve: never divided into
// large buffers, closed to uploads and taken from last, so that a download (and a request's head) always finds a small
// one however many uploads there are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "io/event_loop.h"
#include "io/operation.h"
#include "io/task.h"
#include "io/task_scope.h"
#include "io/wait_list.h"

namespace ringdrop::io {

inline constexpr std::size_t kSmallBufferBytes = 16 * kKiB;
inline constexpr std::size_t kLargeBufferBytes = 2 * kMiB;
inline constexpr std::size_t kSlabBytes = 4 * kMiB;
// What O_DIRECT asks of memory, offset and length on every disk of today.
inline constexpr std::size_t kDirectAlignment = 4 * kKiB;
static_assert(kSlabBytes % kLargeBufferBytes == 0 && kSlabBytes % kSmallBufferBytes == 0);
static_assert(kSmallBufferBytes % kDirectAlignment == 0);

class BufferPool;

// A leased piece of the pool; goes back when it is destroyed.
class Buffer {
 public:
  Buffer(Buffer&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)), memory_(other.memory_), slab_(other.slab_), fixed_(other.fixed_) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(memory_, other.memory_);
    std::swap(slab_, other.slab_);
    std::swap(fixed_, other.fixed_);
    return *this;
  }
  ~Buffer();

  MutableBytes bytes() const { return memory_; }
  std::byte* data() const { return memory_.data(); }
  std::size_t size() const { return memory_.size(); }
  // The registered slot, or kNoFixedBuffer: most small ones have none.
  int fixed_buffer() const { return fixed_; }

 private:
  friend class BufferPool;
  Buffer(BufferPool& pool, MutableBytes memory, unsigned slab, int fixed)
      : pool_(&pool), memory_(memory), slab_(slab), fixed_(fixed) {}

  BufferPool* pool_;
  MutableBytes memory_;
  unsigned slab_;
  int fixed_;
};

class BufferPool {
 public:
  // Who asks: uploads leave the reserve to everybody else.
  enum class Use : uint8_t { upload, other };

  // `budget_bytes` is rounded down to slabs; at least 4 of them. The loop outlives the pool, the pool its buffers. It
  // is closed before it ends.
  BufferPool(EventLoop& loop, uint64_t budget_bytes);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // A small buffer; within a use first come, first served, and turn by turn where both uses wait. timed_out, cancelled.
  Task<Result<Buffer>> small(Use use, TimePoint deadline, std::stop_token stop);
  // At once or not at all. A large one that is declined may be there in some milliseconds: a slab is made ready for it,
  // one at a time.
  std::optional<Buffer> try_small(Use use);
  std::optional<Buffer> try_large(Use use);

  // Suspends until no slab is being made ready. Nobody takes a buffer from now on.
  Task<> close() { return preparing_.join(); }

  // How much of such a budget is ever registered with the ring: all but the reserve, as far as there are slots.
  static uint64_t registrable_bytes(uint64_t budget_bytes);
  uint64_t budget_bytes() const { return slabs_.size() * kSlabBytes; }
  uint64_t lent_bytes() const { return lent_bytes_; }
  bool is_preparing() const { return preparing_.size() > 0; }

 private:
  friend class Buffer;
  static constexpr std::size_t kUndivided = 0;  // for the size of a slab's pieces
  struct Slab {
    // Those of the reserve are bare for good.
    enum class Memory : uint8_t { bare, in_preparation, resident, reserve };
    Memory memory = Memory::bare;
    std::size_t piece_bytes = kUndivided;
    std::vector<uint16_t> free_pieces;  // indices; the last is taken next
    int fixed = kNoFixedBuffer;
  };

  std::optional<Buffer> take(Use use, std::size_t piece_bytes);
  std::optional<unsigned> slab_for(Use use, std::size_t piece_bytes);
  std::optional<unsigned> lowest_slab(std::size_t piece_bytes, Slab::Memory memory) const;
  void divide(unsigned slab, std::size_t piece_bytes);
  void prepare_one();
  Task<> prepare(unsigned slab);
  void give_back(Buffer& buffer);
  void wake(std::size_t served, bool reserved);
  bool wake_next(bool reserved);

  EventLoop& loop_;
  std::byte* memory_;
  std::byte* mapped_ = nullptr;  // what memory_ is an aligned part of
  std::vector<Slab> slabs_;
  std::size_t large_slabs_ = 0;
  uint64_t lent_bytes_ = 0;
  bool uploads_turn_ = false;
  WaitList upload_waiters_;
  WaitList other_waiters_;
  TaskScope preparing_;
};

}  // namespace ringdrop::io
