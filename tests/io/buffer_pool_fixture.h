// A pool of four slabs on a loop of its own, and coroutines that wait for its buffers.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "io/buffer_pool.h"
#include "tests/io/test_loop.h"

namespace ringdrop::test {

using io::Buffer;
using io::BufferPool;
using Use = BufferPool::Use;

inline constexpr uint64_t kBudget = 4 * io::kSlabBytes;

// Takes until it is declined.
inline std::vector<Buffer> take_all_small(BufferPool& pool, Use use) {
  std::vector<Buffer> all;
  while (std::optional<Buffer> buffer = pool.try_small(use)) all.push_back(std::move(*buffer));
  return all;
}

inline void drop_last(std::vector<Buffer>& buffers) {
  buffers.pop_back();
}

struct Pool {
  TestLoop fixture;
  BufferPool pool{fixture.loop(), kBudget};
  std::vector<int> served;
  std::vector<io::Errc> refused;
  std::vector<Buffer> held;
  io::TaskScope scope{fixture.loop()};

  ~Pool() { finish_preparing(); }

  void finish_preparing() { fixture.run(pool.close()); }
  // When its slab is ready.
  std::optional<Buffer> large(Use use) {
    std::optional<Buffer> buffer = pool.try_large(use);
    if (buffer || !pool.is_preparing()) return buffer;
    finish_preparing();
    return pool.try_large(use);
  }

  void wait(int who, Use use, io::TimePoint deadline = io::kNever) {
    scope.spawn(wait_for_one(who, use, deadline, scope.stop_token()));
  }
  void settle() {
    for (int i = 0; i < 5; ++i) fixture.turn_at_once();
  }

 private:
  io::Task<> wait_for_one(int who, Use use, io::TimePoint deadline, std::stop_token stop) {
    io::Result<Buffer> buffer = co_await pool.small(use, deadline, stop);
    if (!buffer) {
      refused.push_back(buffer.error().code);
      co_return;
    }
    served.push_back(who);
    held.push_back(std::move(*buffer));
  }
};

inline std::vector<Buffer> take_all_large(Pool& p, Use use) {
  std::vector<Buffer> all;
  while (std::optional<Buffer> buffer = p.large(use)) all.push_back(std::move(*buffer));
  return all;
}

}  // namespace ringdrop::test
