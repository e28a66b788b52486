#include "io/wait_list.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "io/task_scope.h"
#include "tests/io/random_seed.h"
#include "tests/io/test_loop.h"

namespace ringdrop::test {
namespace {

using io::Errc;
using io::Result;
using io::Task;

struct End {
  int who;
  Result<> result;
};

Task<> wait_once(io::WaitList& list, io::TimePoint deadline, std::stop_token stop, int who, std::vector<End>& ends) {
  const Result<> result = co_await list.wait(deadline, stop);
  ends.push_back({who, result});
}

struct Waiters {
  TestLoop fixture;
  io::WaitList list{fixture.loop(), "a test"};
  std::vector<End> ends;
  io::TaskScope scope{fixture.loop()};

  void add(int who, io::TimePoint deadline = io::kNever) { add(who, deadline, scope.stop_token()); }
  void add(int who, io::TimePoint deadline, std::stop_token stop) {
    scope.spawn(wait_once(list, deadline, std::move(stop), who, ends));
  }
  std::vector<int> order() const {
    std::vector<int> who;
    for (const End& end : ends) who.push_back(end.who);
    return who;
  }
};

}  // namespace

TEST_CASE("wake_one wakes the one that has waited longest") {
  Waiters waiters;
  for (int i = 0; i < 4; ++i) waiters.add(i);
  CHECK(waiters.list.size() == 4);
  for (std::size_t i = 1; i <= 4; ++i) {
    waiters.list.wake_one();
    waiters.fixture.turn_at_once();
    CHECK(waiters.ends.size() == i);
    CHECK(waiters.list.size() == 4 - i);
  }
  CHECK(waiters.order() == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("wake_all wakes all in their order, and not those that come to wait meanwhile") {
  Waiters waiters;
  for (int i = 0; i < 3; ++i) waiters.add(i);
  waiters.list.wake_all();
  waiters.add(3);
  waiters.fixture.turn_at_once();
  CHECK(waiters.order() == std::vector<int>{0, 1, 2});
  CHECK(waiters.list.size() == 1);
  waiters.list.wake_all();
  waiters.fixture.drain(waiters.scope);
  CHECK(waiters.order() == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("waking an empty list has no effect, then or later") {
  Waiters waiters;
  waiters.list.wake_one();
  waiters.list.wake_all();
  waiters.add(0);
  waiters.fixture.turn_at_once();
  CHECK(waiters.ends.empty());
  waiters.list.wake_one();
  waiters.fixture.drain(waiters.scope);
}

TEST_CASE("the woken go on in the next turn, not inside of wake_one") {
  Waiters waiters;
  waiters.add(0);
  waiters.list.wake_one();
  CHECK(waiters.ends.empty());
  CHECK(waiters.list.size() == 0);
  waiters.fixture.drain(waiters.scope);
  CHECK(waiters.ends.size() == 1);
}

TEST_CASE("a wait ends at its deadline, the others go on waiting") {
  Waiters waiters;
  const io::TimePoint now = waiters.fixture.loop().now();
  waiters.add(0);
  waiters.add(1, now + io::Milliseconds(2));
  waiters.add(2, now + io::Milliseconds(1));
  waiters.add(3, now - io::Milliseconds(1));  // long past
  while (waiters.ends.size() < 3) waiters.fixture.turn_at_once();
  CHECK(waiters.order() == std::vector<int>{3, 2, 1});
  for (const End& end : waiters.ends) CHECK(end.result.error().code == Errc::timed_out);
  CHECK(waiters.list.size() == 1);
  waiters.list.wake_one();
  waiters.fixture.drain(waiters.scope);
  CHECK(waiters.ends.back().result.has_value());
}

TEST_CASE("a wait ends when its stop is requested, from the middle of the list too") {
  Waiters waiters;
  std::stop_source own;
  waiters.add(0);
  waiters.add(1, io::kNever, own.get_token());
  waiters.add(2);
  own.request_stop();
  CHECK(waiters.list.size() == 2);
  waiters.fixture.turn_at_once();
  REQUIRE(waiters.order() == std::vector<int>{1});
  CHECK(waiters.ends[0].result.error().code == Errc::cancelled);
  waiters.list.wake_all();
  waiters.fixture.drain(waiters.scope);
  CHECK(waiters.order() == std::vector<int>{1, 0, 2});
}

TEST_CASE("a stop that was requested before is found without waiting") {
  Waiters waiters;
  waiters.scope.request_stop();
  waiters.add(0);
  REQUIRE(waiters.ends.size() == 1);
  CHECK(waiters.ends[0].result.error().code == Errc::cancelled);
  CHECK(waiters.list.size() == 0);
}

TEST_CASE("of wake and stop in the same turn the first counts, and the wait ends once") {
  Waiters waiters;
  std::stop_source first;
  std::stop_source second;
  waiters.add(0, io::kNever, first.get_token());
  waiters.add(1, io::kNever, second.get_token());
  waiters.list.wake_one();
  first.request_stop();
  second.request_stop();
  waiters.list.wake_one();
  waiters.fixture.drain(waiters.scope);
  REQUIRE(waiters.order() == std::vector<int>{0, 1});
  CHECK(waiters.ends[0].result.has_value());
  CHECK(waiters.ends[1].result.error().code == Errc::cancelled);
}

TEST_CASE("a wake that comes with the deadline is not lost: it goes to who still waits") {
  Waiters waiters;
  waiters.add(0, waiters.fixture.loop().now() - io::Milliseconds(1));
  waiters.add(1);
  waiters.fixture.loop().timers().fire_due(waiters.fixture.loop().now());  // 0 is out of the list, not resumed yet
  waiters.list.wake_one();
  waiters.fixture.drain(waiters.scope);
  REQUIRE(waiters.order() == std::vector<int>{0, 1});
  CHECK(waiters.ends[0].result.error().code == Errc::timed_out);
  CHECK(waiters.ends[1].result.has_value());
}

TEST_CASE("a woken coroutine may wait again at once, wake others, and stop others") {
  const auto pass_on = [](io::WaitList& list, int rounds, int who, std::vector<int>& log) -> Task<> {
    for (int i = 0; i < rounds; ++i) {
      static_cast<void>(co_await list.wait());
      log.push_back(who);
      list.wake_one();
    }
  };
  TestLoop fixture;
  io::WaitList list(fixture.loop(), "a test");
  io::TaskScope scope(fixture.loop());
  std::vector<int> log;
  for (int who = 0; who < 3; ++who) scope.spawn(pass_on(list, 3, who, log));
  list.wake_one();
  fixture.drain(scope);
  CHECK(log == std::vector<int>{0, 1, 2, 0, 1, 2, 0, 1, 2});
}

TEST_CASE("whatever the order of wakes, stops and deadlines, every wait ends exactly once and leaves nothing armed") {
  RANDOM_TEST(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 50; ++round) {
    Waiters waiters;
    std::vector<std::stop_source> stops(20);
    for (int who = 0; who < 20; ++who) {
      const io::TimePoint soon = waiters.fixture.loop().now() + std::chrono::microseconds(random() % 300);
      waiters.add(who, random() % 3 == 0 ? soon : io::kNever, stops[static_cast<std::size_t>(who)].get_token());
    }
    while (waiters.scope.size() > 0) {
      switch (random() % 4) {
        case 0:
          waiters.list.wake_one();
          break;
        case 1:
          stops[random() % stops.size()].request_stop();
          break;
        case 2:
          if (random() % 8 == 0) waiters.list.wake_all();
          break;
        default:
          waiters.fixture.turn_at_once();
      }
    }
    std::vector<int> who = waiters.order();
    std::ranges::sort(who);
    REQUIRE(who.size() == 20);
    for (int i = 0; i < 20; ++i) CHECK(who[static_cast<std::size_t>(i)] == i);
    CHECK(waiters.list.size() == 0);
    CHECK(waiters.fixture.loop().timers().size() == 0);
  }
}

}  // namespace ringdrop::test
