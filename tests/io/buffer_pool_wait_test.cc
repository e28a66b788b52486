// Coroutines that wait for a buffer.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "tests/io/buffer_pool_fixture.h"

namespace ringdrop::test {

using io::Errc;
using io::kSlabBytes;

TEST_CASE("small does not wait while there are buffers, and gets one when one comes back") {
  Pool p;
  p.wait(0, Use::other);
  CHECK(p.served == std::vector<int>{0});
  std::vector<Buffer> rest = take_all_small(p.pool, Use::other);
  p.wait(1, Use::other);
  p.settle();
  CHECK(p.served.size() == 1);
  drop_last(rest);
  p.fixture.drain(p.scope);
  CHECK(p.served == std::vector<int>{0, 1});
}

TEST_CASE("those who wait are served in their order, one for each buffer that comes back") {
  for (const Use use : {Use::other, Use::upload}) {
    Pool p;
    std::vector<Buffer> all = take_all_small(p.pool, use);
    for (int who = 0; who < 5; ++who) p.wait(who, use);
    std::vector<int> expected;
    for (int who = 0; who < 5; ++who) {
      drop_last(all);
      p.settle();
      expected.push_back(who);
      CHECK(p.served == expected);
    }
  }
}

TEST_CASE("uploads that wait keep their order while the others' buffers come and go") {
  Pool p;
  std::vector<Buffer> uploads = take_all_small(p.pool, Use::upload);
  for (int who = 0; who < 4; ++who) p.wait(who, Use::upload);
  for (int i = 0; i < 3; ++i) {
    static_cast<void>(p.pool.try_small(Use::other));  // taken and given back: no use to an upload
    p.settle();
  }
  CHECK(p.served.empty());
  for (int i = 0; i < 4; ++i) {
    drop_last(uploads);
    p.settle();
  }
  CHECK(p.served == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("a large buffer that comes back serves all who wait for small ones, of both kinds") {
  Pool p;
  std::vector<Buffer> large = take_all_large(p, Use::other);
  std::vector<Buffer> small = take_all_small(p.pool, Use::other);
  for (int who = 0; who < 5; ++who) p.wait(who, who % 2 ? Use::upload : Use::other);
  p.settle();
  CHECK(p.served.empty());
  large.clear();
  p.settle();
  std::ranges::sort(p.served);
  CHECK(p.served == std::vector<int>{0, 1, 2, 3, 4});
  p.fixture.drain(p.scope);
}

TEST_CASE("who waits for a small buffer gets one of the slab that was made ready for a large one") {
  Pool p;
  CHECK_FALSE(p.pool.try_large(Use::other).has_value());
  const std::vector<Buffer> all = take_all_small(p.pool, Use::other);
  CHECK(all.size() == 3 * kSlabBytes / io::kSmallBufferBytes);
  for (int who = 0; who < 4; ++who) p.wait(who, who % 2 ? Use::upload : Use::other);
  CHECK(p.served.empty());
  p.finish_preparing();
  p.fixture.drain(p.scope);
  std::ranges::sort(p.served);
  CHECK(p.served == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("a wait for a buffer ends at its deadline, and the others keep their places") {
  Pool p;
  std::vector<Buffer> all = take_all_small(p.pool, Use::other);
  p.wait(0, Use::other);
  p.wait(1, Use::other, p.fixture.loop().now() + io::Milliseconds(1));
  p.wait(2, Use::other);
  while (p.refused.empty()) p.fixture.turn_at_once();
  CHECK(p.refused == std::vector<Errc>{Errc::timed_out});
  all.clear();
  p.fixture.drain(p.scope);
  CHECK(p.served == std::vector<int>{0, 2});
}

TEST_CASE("a wait for a buffer ends when a stop is requested") {
  Pool p;
  const std::vector<Buffer> all = take_all_small(p.pool, Use::other);
  for (int who = 0; who < 3; ++who) p.wait(who, Use::other);
  p.scope.request_stop();
  p.fixture.drain(p.scope);
  CHECK(p.refused == std::vector<Errc>(3, Errc::cancelled));
  CHECK(p.served.empty());
}

TEST_CASE("where uploads and others wait for buffers, others are served first and then they take turns") {
  Pool p;
  std::vector<Buffer> all = take_all_small(p.pool, Use::other);
  for (int who = 0; who < 3; ++who) p.wait(who, Use::upload);
  for (int who = 10; who < 13; ++who) p.wait(who, Use::other);
  for (int i = 0; i < 6; ++i) {
    all.erase(all.begin());  // of a common slab
    p.settle();
  }
  CHECK(p.served == std::vector<int>{10, 0, 11, 1, 12, 2});
}

TEST_CASE("a buffer of the reserve that comes back is no use to an upload that waits") {
  Pool p;
  std::vector<Buffer> all = take_all_small(p.pool, Use::other);
  p.wait(0, Use::upload);
  drop_last(all);
  p.settle();
  CHECK(p.served.empty());
  all.erase(all.begin());
  p.settle();
  CHECK(p.served == std::vector<int>{0});
}

}  // namespace ringdrop::test
