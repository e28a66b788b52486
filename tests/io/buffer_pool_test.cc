#include "io/buffer_pool.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "io/uring_setup.h"
#include "tests/io/buffer_pool_fixture.h"
#include "tests/io/random_seed.h"

namespace ringdrop::test {
namespace {

using io::kLargeBufferBytes;
using io::kSlabBytes;
using io::kSmallBufferBytes;
// Buffers at random, and what must be true of them.
class Model {
 public:
  Model(Pool& p, uint64_t seed) : p_(p), pool_(p.pool), random_(seed) {}

  void step() {
    const Use use = random_() % 3 == 0 ? Use::other : Use::upload;
    switch (random_() % 8) {
      case 0:
        keep(pool_.try_large(use), use, kLargeBufferBytes);
        break;
      case 1:
      case 2:
        for (uint64_t i = random_() % 200; i > 0; --i) keep(pool_.try_small(use), use, kSmallBufferBytes);
        break;
      case 3:
        release(random_() % 2 == 0);
        break;
      case 4:
        p_.finish_preparing();
        break;
      default:
        release(false);
    }
    check();
  }
  void release_all() {
    lent_.clear();
    check();
  }

 private:
  struct Lent {
    Buffer buffer;
    Use use;
    uint64_t mark;
  };

  void keep(std::optional<Buffer> buffer, Use use, std::size_t bytes) {
    if (!buffer) return;
    CHECK(buffer->size() == bytes);
    CHECK(reinterpret_cast<uintptr_t>(buffer->data()) % io::kDirectAlignment == 0);
    // The mark at both ends stays: no other buffer lies on this one.
    const uint64_t mark = ++marks_;
    std::memcpy(buffer->data(), &mark, sizeof mark);
    std::memcpy(buffer->data() + bytes - sizeof mark, &mark, sizeof mark);
    lent_.push_back({std::move(*buffer), use, mark});
  }

  void release(bool many) {
    for (uint64_t i = many ? 300 : 1; i > 0 && !lent_.empty(); --i) {
      std::swap(lent_[random_() % lent_.size()], lent_.back());
      const Lent& last = lent_.back();
      CHECK(std::memcmp(last.buffer.data(), &last.mark, sizeof last.mark) == 0);
      CHECK(std::memcmp(last.buffer.bytes().last(sizeof last.mark).data(), &last.mark, sizeof last.mark) == 0);
      lent_.pop_back();
    }
  }

  void check() {
    uint64_t all = 0;
    uint64_t uploads = 0;
    uint64_t large = 0;
    uint64_t others_small = 0;
    for (const Lent& one : lent_) {
      all += one.buffer.size();
      if (one.use == Use::upload) uploads += one.buffer.size();
      if (one.buffer.size() == kLargeBufferBytes) large += one.buffer.size();
      if (one.use == Use::other && one.buffer.size() == kSmallBufferBytes) others_small += one.buffer.size();
    }
    CHECK(pool_.lent_bytes() == all);
    CHECK(all <= pool_.budget_bytes());
    CHECK(uploads <= pool_.budget_bytes() / 4 * 3);
    CHECK(large <= pool_.budget_bytes() / 2);
    // However many uploads there are: as long as the others have less than their quarter, they find one.
    if (others_small < pool_.budget_bytes() / 4) CHECK(pool_.try_small(Use::other).has_value());
  }

  Pool& p_;
  BufferPool& pool_;
  std::mt19937_64 random_;
  std::vector<Lent> lent_;
  uint64_t marks_ = 0;
};

}  // namespace

TEST_CASE("the budget is rounded down to slabs, and small buffers can use all of it") {
  TestLoop fixture;
  BufferPool pool(fixture.loop(), kBudget + kSlabBytes - 1);
  CHECK(pool.budget_bytes() == kBudget);
  const std::vector<Buffer> all = take_all_small(pool, Use::other);
  CHECK(all.size() == kBudget / kSmallBufferBytes);
  CHECK(pool.lent_bytes() == kBudget);
  CHECK_FALSE(pool.try_large(Use::other).has_value());
}

TEST_CASE("what can be registered is whole slabs of the first three quarters, and never more") {
  CHECK(BufferPool::registrable_bytes(kBudget) == 3 * kSlabBytes);
  CHECK(BufferPool::registrable_bytes(kBudget + kSlabBytes - 1) == 3 * kSlabBytes);
  CHECK(BufferPool::registrable_bytes(5 * kSlabBytes) == 3 * kSlabBytes);
  CHECK(BufferPool::registrable_bytes(6 * kSlabBytes) == 4 * kSlabBytes);
  CHECK(BufferPool::registrable_bytes(7 * kSlabBytes) == 5 * kSlabBytes);
  CHECK(BufferPool::registrable_bytes(8 * kSlabBytes) == 6 * kSlabBytes);
}

TEST_CASE("no more can be registered than the ring has slots for, however large the budget") {
  constexpr uint64_t kAllSlots = io::kFixedBufferSlots * kSlabBytes;
  CHECK(BufferPool::registrable_bytes(kAllSlots) == kAllSlots / 4 * 3);
  CHECK(BufferPool::registrable_bytes(2 * kAllSlots) == kAllSlots);
  CHECK(BufferPool::registrable_bytes(1'000 * kAllSlots) == kAllSlots);
}

TEST_CASE("at most half of the budget is lent as large buffers") {
  Pool p;
  std::vector<Buffer> large = take_all_large(p, Use::other);
  CHECK(large.size() == kBudget / 2 / kLargeBufferBytes);
  const std::vector<Buffer> small = take_all_small(p.pool, Use::other);
  CHECK(small.size() == kBudget / 2 / kSmallBufferBytes);
  large.clear();
  CHECK(take_all_large(p, Use::other).size() == 4);
}

TEST_CASE("uploads hold at most three quarters, the rest is for everybody else") {
  Pool p;
  const std::vector<Buffer> uploads = take_all_small(p.pool, Use::upload);
  CHECK(uploads.size() == kBudget / 4 * 3 / kSmallBufferBytes);
  CHECK_FALSE(p.pool.try_large(Use::upload).has_value());
  const std::vector<Buffer> others = take_all_small(p.pool, Use::other);
  CHECK(others.size() == kBudget / 4 / kSmallBufferBytes);
}

TEST_CASE("uploads leave a quarter, and can have half as large buffers, of every number of slabs") {
  for (std::size_t slabs = 4; slabs <= 9; ++slabs) {
    CAPTURE(slabs);
    TestLoop fixture;
    BufferPool pool(fixture.loop(), slabs * kSlabBytes);
    std::vector<Buffer> uploads;
    do {
      fixture.run(pool.close());
      while (std::optional<Buffer> buffer = pool.try_large(Use::upload)) uploads.push_back(std::move(*buffer));
    } while (pool.is_preparing());
    CHECK(uploads.size() == slabs / 2 * (kSlabBytes / kLargeBufferBytes));
    for (Buffer& small : take_all_small(pool, Use::upload)) uploads.push_back(std::move(small));
    CHECK(pool.lent_bytes() * 4 <= pool.budget_bytes() * 3);
    CHECK(pool.lent_bytes() * 4 + 4 * kSlabBytes > pool.budget_bytes() * 3);
  }
}

TEST_CASE("uploads whose large buffers lie in half-empty slabs leave a small one for everybody else") {
  Pool p;
  std::vector<Buffer> large = take_all_large(p, Use::upload);
  REQUIRE(large.size() == 4);
  // One stays in each of two slabs: 4 MiB are lent, and 4 MiB beside them are no use as small buffers.
  large.erase(large.begin() + 2);
  large.erase(large.begin());
  const std::vector<Buffer> small = take_all_small(p.pool, Use::upload);
  CHECK(p.pool.try_small(Use::other).has_value());
}

TEST_CASE("uploads leave a small buffer for everybody else also where downloads had large ones beside theirs") {
  Pool p;
  std::vector<Buffer> uploads = take_all_large(p, Use::upload);
  REQUIRE(uploads.size() == 4);
  uploads.erase(uploads.begin() + 2);
  uploads.erase(uploads.begin());
  std::vector<Buffer> downloads = take_all_large(p, Use::other);
  CHECK(downloads.size() == 2);
  const std::vector<Buffer> small = take_all_small(p.pool, Use::upload);
  downloads.clear();
  CHECK(p.pool.try_small(Use::other).has_value());
}

TEST_CASE("downloads take from the reserve last, also where large buffers were lent before") {
  Pool p;
  REQUIRE(p.large(Use::upload).has_value());
  std::vector<Buffer> slow;
  while (slow.size() < kBudget / 4 * 3 / kSmallBufferBytes) {
    std::optional<Buffer> buffer = p.pool.try_small(Use::other);
    REQUIRE(buffer.has_value());
    slow.push_back(std::move(*buffer));
  }
  const std::vector<Buffer> uploads = take_all_small(p.pool, Use::upload);
  CHECK(uploads.empty());
  CHECK(take_all_small(p.pool, Use::other).size() == kBudget / 4 / kSmallBufferBytes);
}

TEST_CASE("memory that was lent in one size is lent in the other when it has come back") {
  Pool p;
  for (int i = 0; i < 3; ++i) {
    CHECK(take_all_small(p.pool, Use::other).size() == kBudget / kSmallBufferBytes);
    CHECK(p.pool.lent_bytes() == 0);
    CHECK(take_all_large(p, Use::other).size() == 4);
    CHECK(p.pool.lent_bytes() == 0);
  }
}

TEST_CASE("few buffers touch few slabs: the one that came back is the next to go out") {
  Pool p;
  std::byte* const first = p.pool.try_small(Use::other)->data();
  for (int i = 0; i < 10; ++i) CHECK(p.pool.try_small(Use::upload)->data() == first);
}

TEST_CASE("a buffer can be moved, and gives its memory back once") {
  Pool p;
  std::optional<Buffer> first = p.pool.try_small(Use::other);
  std::optional<Buffer> second = p.large(Use::upload);
  std::byte* const data = first->data();
  Buffer moved = std::move(*first);
  first.reset();
  CHECK(p.pool.lent_bytes() == kSmallBufferBytes + kLargeBufferBytes);
  *second = std::move(moved);
  CHECK(second->data() == data);
  second.reset();
  CHECK(p.pool.lent_bytes() == kLargeBufferBytes);  // it is in `moved` now
  {
    const Buffer last = std::move(moved);
  }
  CHECK(p.pool.lent_bytes() == 0);
}

TEST_CASE("a large buffer is declined until its slab is resident, and meanwhile there are small ones") {
  Pool p;
  CHECK_FALSE(p.pool.try_large(Use::upload).has_value());
  CHECK(p.pool.is_preparing());
  CHECK_FALSE(p.pool.try_large(Use::other).has_value());  // one at a time
  const std::optional<Buffer> small = p.pool.try_small(Use::upload);
  CHECK(small.has_value());
  p.finish_preparing();
  // Two of one slab; a third needs another.
  const std::optional<Buffer> first = p.pool.try_large(Use::upload);
  const std::optional<Buffer> second = p.pool.try_large(Use::upload);
  CHECK(first.has_value());
  CHECK(second.has_value());
  CHECK_FALSE(p.pool.try_large(Use::upload).has_value());
  CHECK(p.pool.is_preparing());
}

TEST_CASE("a slab is made ready once, and nothing is where all that may be large is lent") {
  Pool p;
  for (int i = 0; i < 3; ++i) {
    const std::vector<Buffer> large = take_all_large(p, Use::other);
    CHECK(large.size() == 4);
    CHECK_FALSE(p.pool.try_large(Use::other).has_value());
    CHECK_FALSE(p.pool.is_preparing());
  }
  const std::optional<Buffer> again = p.pool.try_large(Use::upload);
  CHECK(again.has_value());
}

TEST_CASE("a slab whose pages a worker has touched is resident, and one that was small before becomes so too") {
  Pool p;
  take_all_small(p.pool, Use::other);
  const std::optional<Buffer> large = p.large(Use::upload);
  REQUIRE(large.has_value());
  std::vector<unsigned char> pages(kLargeBufferBytes / io::kDirectAlignment);
  REQUIRE(mincore(large->data(), kLargeBufferBytes, pages.data()) == 0);
  CHECK(std::ranges::all_of(pages, [](unsigned char page) { return (page & 1) != 0; }));
}

TEST_CASE("whatever is taken and given back, the bounds hold and no two buffers overlap") {
  RANDOM_TEST(seed);
  Pool p;
  Model model(p, seed);
  for (int i = 0; i < 2'000; ++i) model.step();
  model.release_all();
  p.finish_preparing();
  CHECK(take_all_small(p.pool, Use::other).size() == kBudget / kSmallBufferBytes);
}

}  // namespace ringdrop::test
