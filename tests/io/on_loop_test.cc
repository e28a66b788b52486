#include "io/on_loop.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "io/wait_list.h"
#include "tests/io/counted.h"
#include "tests/io/other_loop.h"
#include "tests/io/test_loop.h"

namespace ringdrop::test {
namespace {

using io::Task;

Task<std::thread::id> where() {
  co_return std::this_thread::get_id();
}

Task<std::thread::id> where_later(io::EventLoop& loop) {
  io::WaitList nobody(loop, "a pause");
  static_cast<void>(co_await nobody.wait(loop.now() + std::chrono::microseconds(100), std::stop_token()));
  co_return std::this_thread::get_id();
}

struct Places {
  std::thread::id before;
  std::thread::id at_once;
  std::thread::id later;
  std::thread::id after;
};

Task<Places> visit(io::EventLoop& home, io::EventLoop& other) {
  Places places;
  places.before = std::this_thread::get_id();
  places.at_once = co_await io::run_on_loop(home, other, where());
  places.later = co_await io::run_on_loop(home, other, where_later(other));
  places.after = std::this_thread::get_id();
  co_return places;
}

Task<std::string> greet(io::EventLoop& loop, std::string name) {
  static_cast<void>(co_await where_later(loop));
  co_return "a greeting that does not fit into the string itself, to " + name;
}

Task<Counted> pass(Counted counted) {
  co_return counted;
}

// There, back again, and there from there: each step on the loop that it should run on.
Task<int> ping_pong(io::EventLoop& here, io::EventLoop& there, int depth, int& wrong_thread) {
  const std::thread::id thread = std::this_thread::get_id();
  if (depth == 0) co_return 0;
  const int below = co_await io::run_on_loop(here, there, ping_pong(there, here, depth - 1, wrong_thread));
  if (std::this_thread::get_id() != thread) ++wrong_thread;
  co_return below + 1;
}

}  // namespace

TEST_CASE("a task runs on the other loop's thread, and its caller goes on at home") {
  TestLoop home;
  OtherLoop other;
  const Places places = home.run(visit(home.loop(), other.loop()));
  CHECK(places.before == std::this_thread::get_id());
  CHECK(places.after == std::this_thread::get_id());
  CHECK(places.at_once == other.thread_id());
  CHECK(places.later == other.thread_id());
}

TEST_CASE("the value comes back whole, whether the task waited there or not") {
  const auto use = [](io::EventLoop& home, io::EventLoop& other, Ledger& ledger) -> Task<std::string> {
    Counted counted(ledger, 3);
    const Counted back = co_await io::run_on_loop(home, other, pass(std::move(counted)));
    std::string text = co_await io::run_on_loop(home, other, greet(other, std::to_string(back.value())));
    co_return text;
  };
  Ledger ledger;
  {
    TestLoop home;
    OtherLoop other;
    CHECK(home.run(use(home.loop(), other.loop(), ledger)) ==
          "a greeting that does not fit into the string itself, to 3");
  }
  CHECK(ledger.balanced());
}

TEST_CASE("many tasks on several loops come back, each once") {
  const auto go = [](io::EventLoop& home, io::EventLoop& other, int& done) -> Task<> {
    for (int i = 0; i < 100; ++i) {
      const std::thread::id there = co_await io::run_on_loop(home, other, where());
      if (there != std::this_thread::get_id()) ++done;
    }
  };
  TestLoop home;
  OtherLoop first;
  OtherLoop second;
  io::TaskScope scope(home.loop());
  int done = 0;
  for (int i = 0; i < 20; ++i) scope.spawn(go(home.loop(), i % 2 ? first.loop() : second.loop(), done));
  home.drain(scope);
  CHECK(done == 2'000);
}

TEST_CASE("a task on the other loop may run a task on this one") {
  TestLoop home;
  OtherLoop other;
  int wrong_thread = 0;
  CHECK(home.run(ping_pong(home.loop(), other.loop(), 20, wrong_thread)) == 20);
  CHECK(wrong_thread == 0);
}

TEST_CASE("a loop may run a task on itself") {
  TestLoop home;
  CHECK(home.run(visit(home.loop(), home.loop())).later == std::this_thread::get_id());
}

}  // namespace ringdrop::test
