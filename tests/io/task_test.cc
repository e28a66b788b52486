#include "io/task.h"

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "tests/io/counted.h"
#include "tests/io/test_loop.h"

namespace ringdrop::test {
namespace {

using io::Task;

// How deep chains of coroutines are tested: far deeper than ours get, within 8 MiB of stack under AddressSanitizer.
constexpr int kDepth = 2'000;

Task<int> at_once(int value) {
  co_return value;
}

Task<> nothing_at_once(int& count) {
  ++count;
  co_return;
}

Task<int> later(io::EventLoop& loop, int value) {
  co_await loop.next_turn();
  co_return value;
}

Task<int64_t> sum_of_many(int count) {
  int64_t sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await at_once(i);
  co_return sum;
}

Task<> count_many(int count, int& counted) {
  for (int i = 0; i < count; ++i) co_await nothing_at_once(counted);
}

Task<int> chain(io::EventLoop& loop, int depth, bool suspends) {
  if (depth > 0) co_return 1 + co_await chain(loop, depth - 1, suspends);
  if (suspends) co_await loop.next_turn();
  co_return 0;
}

Task<int> throws(io::EventLoop& loop, bool suspends) {
  if (suspends) co_await loop.next_turn();
  throw std::runtime_error("a bug");
}

Task<int> passes_on(io::EventLoop& loop, int depth, bool suspends, Ledger& ledger) {
  const Counted local(ledger);
  if (depth == 0) co_return co_await throws(loop, suspends);
  co_return co_await passes_on(loop, depth - 1, suspends, ledger);
}

Task<std::string> catches(io::EventLoop& loop, Ledger& ledger) {
  std::string caught;
  for (const bool suspends : {false, true}) {
    try {
      co_await passes_on(loop, 10, suspends, ledger);
    } catch (const std::runtime_error& bug) {
      caught += bug.what();
    }
  }
  caught += std::to_string(co_await later(loop, 7));
  co_return caught;
}

Task<std::unique_ptr<int>> only_movable() {
  co_return std::make_unique<int>(5);
}

struct NoDefault {
  explicit NoDefault(int v) : value(v) {}
  int value;
};

Task<NoDefault> no_default() {
  co_return NoDefault(3);
}

}  // namespace

TEST_CASE("a task gives its value, at once or later") {
  TestLoop fixture;
  CHECK(fixture.run(at_once(1)) == 1);
  CHECK(fixture.run(later(fixture.loop(), 2)) == 2);
  CHECK(*fixture.run(only_movable()) == 5);
  CHECK(fixture.run(no_default()).value == 3);
}

TEST_CASE("a task that nobody awaits never runs, and frees what it was given") {
  Ledger ledger;
  bool ran = false;
  {
    const auto touch = [](Counted, bool& flag) -> Task<> {
      flag = true;
      co_return;
    };
    const Task<> task = touch(Counted(ledger), ran);
    CHECK(ledger.living.size() == 1);
  }
  CHECK_FALSE(ran);
  CHECK(ledger.balanced());
}

TEST_CASE("a million awaits that finish at once do not grow the stack") {
  TestLoop fixture;
  CHECK(fixture.run(sum_of_many(1'000'000)) == 499'999'500'000);
  int counted = 0;
  fixture.run(count_many(1'000'000, counted));
  CHECK(counted == 1'000'000);
}

TEST_CASE("a hundred thousand awaits that suspend do not grow the stack") {
  const auto loop_many = [](io::EventLoop& loop) -> Task<int> {
    int sum = 0;
    for (int i = 0; i < 100'000; ++i) sum += co_await later(loop, 1);
    co_return sum;
  };
  TestLoop fixture;
  CHECK(fixture.run(loop_many(fixture.loop())) == 100'000);
}

TEST_CASE("a deep chain of tasks gives its value up, whether its end suspends or not") {
  TestLoop fixture;
  CHECK(fixture.run(chain(fixture.loop(), kDepth, false)) == kDepth);
  CHECK(fixture.run(chain(fixture.loop(), kDepth, true)) == kDepth);
}

TEST_CASE("an exception passes through awaiting tasks, destroys their locals and can be caught") {
  Ledger ledger;
  TestLoop fixture;
  CHECK(fixture.run(catches(fixture.loop(), ledger)) == "a buga bug7");
  CHECK(ledger.made == 22);
  CHECK(ledger.balanced());
}

TEST_CASE("what a task was given by value lives in its frame and goes with it") {
  const auto hold = [](io::EventLoop& loop, Counted counted, int& alive, Ledger& ledger) -> Task<int> {
    co_await loop.next_turn();
    alive = static_cast<int>(ledger.living.size());
    co_return counted.value();
  };
  Ledger ledger;
  TestLoop fixture;
  int alive = 0;
  Task<int> task = hold(fixture.loop(), Counted(ledger, 9), alive, ledger);
  CHECK(fixture.run(std::move(task)) == 9);
  CHECK(alive == 1);
  CHECK(ledger.balanced());
}

TEST_CASE("a value that is returned is moved, not copied twice, and leaves nothing behind") {
  const auto make = [](Ledger& ledger) -> Task<Counted> { co_return Counted(ledger, 4); };
  Ledger ledger;
  TestLoop fixture;
  CHECK(fixture.run(make(ledger)).value() == 4);
  CHECK(ledger.balanced());
}

}  // namespace ringdrop::test
