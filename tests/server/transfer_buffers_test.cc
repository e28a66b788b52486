#include "server/transfer_buffers.h"

#include <doctest/doctest.h>

#include "tests/io/buffer_pool_fixture.h"

namespace ringdrop::server {
namespace {

using io::kLargeBufferBytes;
using io::kSmallBufferBytes;
using test::Pool;
using test::Use;

// The buffer that the transfer gets next, given back at once: its size.
std::size_t next_size(Pool& pool, TransferBuffers& buffers, bool much_left, bool kept_up) {
  std::size_t size = 0;
  const auto take = [&]() -> io::Task<> {
    const io::Result<io::Buffer> buffer = co_await buffers.next(much_left, io::kNever, std::stop_token());
    if (!buffer) co_return;
    size = buffer->size();
    buffers.report(*buffer, kept_up);
  };
  pool.scope.spawn(take());
  pool.settle();
  return size;
}

TEST_CASE("a transfer starts on a small buffer, and is lent a large one when that was filled") {
  Pool pool;
  static_cast<void>(pool.large(Use::upload));
  TransferBuffers buffers(pool.pool, Use::upload);
  CHECK(next_size(pool, buffers, true, true) == kSmallBufferBytes);
  CHECK(next_size(pool, buffers, true, true) == kLargeBufferBytes);
  CHECK(next_size(pool, buffers, false, true) == kSmallBufferBytes);  // for a little a small one does
}

TEST_CASE("a peer that is proven already starts on a large buffer") {
  Pool pool;
  static_cast<void>(pool.large(Use::upload));
  TransferBuffers buffers(pool.pool, Use::upload, true);
  CHECK(next_size(pool, buffers, true, true) == kLargeBufferBytes);
}

TEST_CASE("who does not fill a large buffer has to prove itself for longer each time") {
  Pool pool;
  static_cast<void>(pool.large(Use::upload));
  TransferBuffers buffers(pool.pool, Use::upload, true);
  for (const int needed : {2, 4, 8, 16, 32, 64, 64}) {
    CAPTURE(needed);
    CHECK(next_size(pool, buffers, true, false) == kLargeBufferBytes);
    for (int i = 0; i < needed; ++i) CHECK(next_size(pool, buffers, true, true) == kSmallBufferBytes);
  }
}

TEST_CASE("a transfer goes on with small buffers until a slab is ready for large ones") {
  Pool pool;
  TransferBuffers buffers(pool.pool, Use::upload, true);
  CHECK(next_size(pool, buffers, true, true) == kSmallBufferBytes);
  pool.finish_preparing();
  CHECK(next_size(pool, buffers, true, true) == kLargeBufferBytes);
}

TEST_CASE("a transfer never waits for a large buffer") {
  Pool pool;
  const std::vector<io::Buffer> all_large = test::take_all_large(pool, Use::upload);
  TransferBuffers buffers(pool.pool, Use::upload, true);
  CHECK(next_size(pool, buffers, true, true) == kSmallBufferBytes);
}

}  // namespace
}  // namespace ringdrop::server
