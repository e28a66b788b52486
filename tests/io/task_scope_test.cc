#include "io/task_scope.h"

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

#include "tests/io/counted.h"
#include "tests/io/test_loop.h"

namespace ringdrop::test {
namespace {

using io::Result;
using io::Task;

Task<> wait_in(io::WaitList& list, std::stop_token stop, std::vector<Result<>>& ends) {
  ends.push_back(co_await list.wait(io::kNever, stop));
}

Task<> count_at_once(int& count) {
  ++count;
  co_return;
}

Task<> fail_after(io::WaitList& list, Counted) {
  static_cast<void>(co_await list.wait());
  throw std::runtime_error("a bug");
}

Task<> fail_at_once() {
  throw std::runtime_error("a bug");
  co_return;
}

Task<> join_and_note(io::TaskScope& scope, bool& joined) {
  co_await scope.join();
  joined = true;
}

}  // namespace

TEST_CASE("a spawned task runs at once until it first waits") {
  TestLoop fixture;
  io::TaskScope scope(fixture.loop());
  int count = 0;
  scope.spawn(count_at_once(count));
  CHECK(count == 1);
  CHECK(scope.size() == 0);
}

TEST_CASE("join waits for all children") {
  TestLoop fixture;
  io::WaitList list(fixture.loop(), "a test");
  io::TaskScope scope(fixture.loop());
  io::TaskScope joining(fixture.loop());
  std::vector<Result<>> ends;
  for (int i = 0; i < 3; ++i) scope.spawn(wait_in(list, scope.stop_token(), ends));
  bool joined = false;
  joining.spawn(join_and_note(scope, joined));
  for (std::size_t left = 3; left > 0; --left) {
    CHECK(scope.size() == left);
    CHECK_FALSE(joined);
    list.wake_one();
    while (scope.size() == left) fixture.turn_at_once();
  }
  fixture.drain(joining);
  CHECK(joined);
  CHECK(ends.size() == 3);
}

TEST_CASE("join of an empty scope does not wait, and several may join") {
  TestLoop fixture;
  io::WaitList list(fixture.loop(), "a test");
  io::TaskScope scope(fixture.loop());
  fixture.run(scope.join());

  std::vector<Result<>> ends;
  scope.spawn(wait_in(list, scope.stop_token(), ends));
  io::TaskScope joining(fixture.loop());
  bool first = false;
  bool second = false;
  joining.spawn(join_and_note(scope, first));
  joining.spawn(join_and_note(scope, second));
  list.wake_all();
  fixture.drain(joining);
  CHECK(first);
  CHECK(second);
}

TEST_CASE("request_stop reaches every child, and join sees them end") {
  TestLoop fixture;
  io::WaitList list(fixture.loop(), "a test");
  io::TaskScope scope(fixture.loop());
  std::vector<Result<>> ends;
  for (int i = 0; i < 5; ++i) scope.spawn(wait_in(list, scope.stop_token(), ends));
  scope.request_stop();
  fixture.run(scope.join());
  REQUIRE(ends.size() == 5);
  for (const Result<>& end : ends) CHECK(end.error().code == io::Errc::cancelled);
}

TEST_CASE("a child spawned after request_stop finds the stop requested") {
  TestLoop fixture;
  io::WaitList list(fixture.loop(), "a test");
  io::TaskScope scope(fixture.loop());
  scope.request_stop();
  std::vector<Result<>> ends;
  scope.spawn(wait_in(list, scope.stop_token(), ends));
  REQUIRE(ends.size() == 1);
  CHECK(ends[0].error().code == io::Errc::cancelled);
}

TEST_CASE("a scope can be used again after join") {
  TestLoop fixture;
  io::WaitList list(fixture.loop(), "a test");
  io::TaskScope scope(fixture.loop());
  std::vector<Result<>> ends;
  for (int round = 0; round < 3; ++round) {
    scope.spawn(wait_in(list, scope.stop_token(), ends));
    scope.spawn(wait_in(list, scope.stop_token(), ends));
    list.wake_all();
    fixture.run(scope.join());
    CHECK(scope.size() == 0);
  }
  CHECK(ends.size() == 6);
}

TEST_CASE("a child may spawn siblings, and join waits for those too") {
  const auto breed = [](io::EventLoop& loop, io::TaskScope& scope, io::WaitList& list, int generations, int& born,
                        const auto& self) -> Task<> {
    ++born;
    static_cast<void>(co_await list.wait(loop.now(), scope.stop_token()));
    if (generations == 0) co_return;
    scope.spawn(self(loop, scope, list, generations - 1, born, self));
    scope.spawn(self(loop, scope, list, generations - 1, born, self));
  };
  TestLoop fixture;
  io::WaitList list(fixture.loop(), "a test");
  io::TaskScope scope(fixture.loop());
  int born = 0;
  scope.spawn(breed(fixture.loop(), scope, list, 6, born, breed));
  fixture.run(scope.join());
  CHECK(born == 127);
}

TEST_CASE("an exception ends at the scope's root and hurts no other child") {
  Ledger ledger;
  TestLoop fixture;
  io::WaitList list(fixture.loop(), "a test");
  io::TaskScope scope(fixture.loop());
  std::vector<Result<>> ends;
  scope.spawn(wait_in(list, scope.stop_token(), ends));
  scope.spawn(fail_after(list, Counted(ledger)));
  scope.spawn(fail_at_once());
  scope.spawn(wait_in(list, scope.stop_token(), ends));
  CHECK(scope.size() == 3);
  list.wake_all();
  fixture.run(scope.join());
  REQUIRE(ends.size() == 2);
  CHECK(ends[0].has_value());
  CHECK(ends[1].has_value());
  CHECK(ledger.balanced());
}

TEST_CASE("a child's frame is gone when join returns") {
  const auto hold = [](io::WaitList& list, Counted) -> Task<> { static_cast<void>(co_await list.wait()); };
  Ledger ledger;
  TestLoop fixture;
  io::WaitList list(fixture.loop(), "a test");
  io::TaskScope scope(fixture.loop());
  for (int i = 0; i < 10; ++i) scope.spawn(hold(list, Counted(ledger)));
  CHECK(ledger.living.size() == 10);
  list.wake_all();
  fixture.run(scope.join());
  CHECK(ledger.balanced());
}

}  // namespace ringdrop::test
