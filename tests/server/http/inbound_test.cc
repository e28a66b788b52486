#include "server/http/inbound.h"

#include <doctest/doctest.h>
#include <malloc.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "tests/sim/world.h"

namespace ringdrop::http {

TEST_CASE("what was set aside for want of a buffer takes no memory once it is used") {
  sim::SimDisk disk(kMiB);
  sim::World world(1, disk);
  io::EventLoop& loop = world.add_loop();
  io::BufferPool pool(loop, 4 * io::kSlabBytes);
  std::vector<io::Buffer> others;
  while (std::optional<io::Buffer> buffer = pool.try_small(io::BufferPool::Use::other)) {
    others.push_back(std::move(*buffer));
  }
  io::Socket socket(loop, io::OwnedFd());
  Inbound inbound(loop, pool, socket);
  const std::vector<std::byte> requests(kSetAsideBytes, std::byte{'x'});

  const std::size_t before = mallinfo2().uordblks;  // a sanitizer's allocator is not seen
  inbound.put_back(requests);
  CHECK(std::ranges::equal(inbound.unused(), requests));
  inbound.consume(1);
  CHECK(inbound.unused().size() == requests.size() - 1);
  inbound.consume(requests.size() - 1);
  CHECK(inbound.unused().empty());
  CHECK_FALSE(inbound.has_dropped());
  CHECK(mallinfo2().uordblks < before + kSetAsideBytes / 2);
}

}  // namespace ringdrop::http
