// Buffers over the simulated ring: a slab that cannot be made ready, and one that cannot be registered.
#include "io/buffer_pool.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "tests/sim/run_task.h"
#include "tests/sim/world.h"

namespace ringdrop::sim {

using io::Buffer;
using io::BufferPool;
using Use = BufferPool::Use;

TEST_CASE("a slab that could not be made ready is tried again, and does for small buffers meanwhile") {
  SimDisk disk(kMiB);
  World world(1, disk);
  io::EventLoop& loop = world.add_loop();
  BufferPool pool(loop, 4 * io::kSlabBytes);
  int refusals = 2;
  world.fault = [&](const io::Request& request) {
    return request.op == io::Op::make_resident && refusals > 0 ? (--refusals, ENOMEM) : 0;
  };
  while (refusals > 0) {
    CHECK_FALSE(pool.try_large(Use::upload).has_value());
    run_task(world, loop, pool.close());
    CHECK(pool.try_small(Use::upload).has_value());
  }
  CHECK_FALSE(pool.try_large(Use::upload).has_value());
  run_task(world, loop, pool.close());
  CHECK(pool.try_large(Use::upload).has_value());
}

TEST_CASE("small buffers leave the slab that is registered to large ones as long as there is another") {
  SimDisk disk(kMiB);
  World world(1, disk);
  io::EventLoop& loop = world.add_loop();
  BufferPool pool(loop, 4 * io::kSlabBytes);
  const auto registered = [&] {
    const std::optional<Buffer> large = pool.try_large(Use::upload);
    return large && large->fixed_buffer() == 0;
  };
  CHECK_FALSE(registered());
  run_task(world, loop, pool.close());
  CHECK(registered());
  {
    const std::optional<Buffer> trickling = pool.try_small(Use::upload);
    CHECK(registered());
  }

  std::vector<Buffer> all;
  while (std::optional<Buffer> buffer = pool.try_small(Use::other)) all.push_back(std::move(*buffer));
  CHECK(all.size() == 4 * io::kSlabBytes / io::kSmallBufferBytes);
  CHECK_FALSE(registered());
  // What comes when most have gone does not hold it.
  std::vector<Buffer> left;
  for (const int fixed : {0, io::kNoFixedBuffer}) {
    const auto one = std::ranges::find(all, fixed, &Buffer::fixed_buffer);
    REQUIRE(one != all.end());
    left.push_back(std::move(*one));
    all.erase(one);
  }
  all.clear();
  const std::optional<Buffer> later = pool.try_small(Use::other);
  left.erase(left.begin());
  CHECK(registered());
}

TEST_CASE("a slab that is not registered is lent all the same") {
  SimDisk disk(kMiB);
  World world(1, disk);
  io::EventLoop& loop = world.add_loop();
  BufferPool pool(loop, 4 * io::kSlabBytes);
  std::vector<Buffer> lent;
  for (const int fixed : {0, 0, io::kNoFixedBuffer, io::kNoFixedBuffer}) {
    std::optional<Buffer> buffer = pool.try_large(Use::other);
    if (!buffer) {
      run_task(world, loop, pool.close());
      buffer = pool.try_large(Use::other);
    }
    REQUIRE(buffer.has_value());
    CHECK(buffer->fixed_buffer() == fixed);
    lent.push_back(std::move(*buffer));
  }
}

}  // namespace ringdrop::sim
