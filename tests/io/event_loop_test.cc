#include "io/event_loop.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "io/pending.h"
#include "tests/io/test_loop.h"

namespace ringdrop::test {
namespace {

class FlagTimer final : public io::Timer {
 public:
  explicit FlagTimer(io::Ring& ring) : ring_(ring) {}
  void fire() noexcept override {
    fired = true;
    ring_.wake();
  }
  bool fired = false;

 private:
  io::Ring& ring_;
};

io::Task<> chatter(io::EventLoop& loop, const bool& end) {
  while (!end) co_await loop.next_turn();
}

// Keeps the loop busy for a millisecond, once it is resumed.
io::Task<> be_busy(io::EventLoop& loop, int who, std::vector<int>& busy) {
  co_await loop.next_turn();
  busy.push_back(who);
  const io::TimePoint until = loop.ring().now() + io::Milliseconds(1);
  while (loop.ring().now() < until) continue;
}

io::Task<> read_pipe(io::EventLoop& loop, int fd, bool& got) {
  std::byte one{};
  io::Request request;
  request.op = io::Op::read;
  request.fd = fd;
  request.data = &one;
  request.bytes = 1;
  request.offset = io::kNoOffset;
  got = (co_await io::Pending<std::size_t>(loop, "read", request)).has_value();
}

}  // namespace

TEST_CASE("what several threads post runs on the loop, each thread's in its order") {
  constexpr int kThreads = 4;
  constexpr int kPosts = 5'000;
  TestLoop fixture;
  io::EventLoop& loop = fixture.loop();
  const std::thread::id home = std::this_thread::get_id();
  std::vector<std::vector<int>> seen(kThreads);
  int total = 0;
  bool at_home = true;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop.post([&, t, i] {
          seen[static_cast<std::size_t>(t)].push_back(i);
          at_home = at_home && std::this_thread::get_id() == home;
          if (++total == kThreads * kPosts) loop.stop();
        });
      }
    });
  }
  loop.run();
  for (std::thread& thread : threads) thread.join();
  CHECK(at_home);
  for (const std::vector<int>& order : seen) {
    REQUIRE(order.size() == kPosts);
    CHECK(std::ranges::is_sorted(order));
  }
}

TEST_CASE("stop from another thread ends a loop that has nothing to do") {
  for (int i = 0; i < 30; ++i) {
    TestLoop fixture;
    std::thread stopper([&] { fixture.loop().stop(); });
    fixture.loop().run();
    stopper.join();
  }
}

TEST_CASE("a loop that was stopped before does not turn") {
  TestLoop fixture;
  bool ran = false;
  fixture.loop().post([&] { ran = true; });
  fixture.loop().stop();
  fixture.loop().run();
  CHECK_FALSE(ran);
}

TEST_CASE("a post from another thread wakes a loop that sleeps, every time") {
  TestLoop fixture;
  std::atomic<int> handled{0};
  std::thread poster([&] {
    for (int i = 1; i <= 2'000; ++i) {
      fixture.loop().post([&] {
        ++handled;
        handled.notify_one();
      });
      // Waits for its effect, so that the loop falls asleep again in between: a lost wake-up would hang here.
      for (int seen = handled; seen < i; seen = handled) handled.wait(seen);
    }
    fixture.loop().stop();
  });
  fixture.loop().run();
  poster.join();
  CHECK(handled == 2'000);
}

TEST_CASE("work that posts more work does not keep the loop in one turn") {
  TestLoop fixture;
  int turns = 0;
  std::function<void()> again = [&] {
    ++turns;
    fixture.loop().post([&] { again(); });
  };
  again();
  fixture.loop().turn();
  CHECK(turns == 2);
  fixture.loop().turn();
  CHECK(turns == 3);
}

TEST_CASE("a turn without anything due lasts until the next timer") {
  TestLoop fixture;
  FlagTimer timer(fixture.ring());
  const io::TimePoint due = fixture.loop().now() + io::Milliseconds(3);
  fixture.loop().timers().arm(timer, due);
  while (!timer.fired) fixture.loop().turn();
  CHECK(fixture.loop().now() >= due);
}

TEST_CASE("in a turn the wall clock stands still, in the next one it goes on") {
  TestLoop fixture;
  io::EpochMs before = 0;
  fixture.loop().post([&] {
    before = fixture.loop().epoch_ms();
    while (fixture.ring().epoch_ms() == before) continue;
    CHECK(fixture.loop().epoch_ms() == before);
  });
  fixture.turn_at_once();
  CHECK(fixture.loop().epoch_ms() > before);
  io::EpochMs after = 0;
  fixture.loop().post([&] { after = fixture.loop().epoch_ms(); });
  fixture.turn_at_once();
  CHECK(after > before);
}

TEST_CASE("coroutines that are always ready starve neither the ring nor timers nor posted work") {
  TestLoop fixture;
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const io::OwnedFd reading(fixture.ring(), ends[0]);
  const io::OwnedFd writing(fixture.ring(), ends[1]);
  bool end = false;
  bool got = false;
  FlagTimer timer(fixture.ring());
  io::TaskScope scope(fixture.loop());
  for (int i = 0; i < 3; ++i) scope.spawn(chatter(fixture.loop(), end));
  scope.spawn(read_pipe(fixture.loop(), ends[0], got));
  fixture.loop().timers().arm(timer, fixture.loop().now() + io::Milliseconds(1));
  fixture.loop().turn();
  REQUIRE(write(ends[1], "x", 1) == 1);
  bool posted = false;
  fixture.loop().post([&] { posted = true; });
  while (!got || !timer.fired || !posted) fixture.loop().turn();
  end = true;
  fixture.drain(scope);
}

TEST_CASE("what the kernel has completed is delivered to a loop that has more to do and submits nothing") {
  TestLoop fixture;
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const io::OwnedFd reading(fixture.ring(), ends[0]);
  const io::OwnedFd writing(fixture.ring(), ends[1]);
  bool end = false;
  bool got = false;
  io::TaskScope scope(fixture.loop());
  scope.spawn(chatter(fixture.loop(), end));
  scope.spawn(read_pipe(fixture.loop(), ends[0], got));
  for (int turn = 0; turn < 3; ++turn) fixture.loop().turn();  // it waits in the kernel
  REQUIRE(write(ends[1], "x", 1) == 1);
  for (int turn = 0; turn < 1'000 && !got; ++turn) fixture.loop().turn();
  CHECK(got);
  end = true;
  fixture.drain(scope);
}

TEST_CASE("a turn resumes as many as it has time for, at least one, and the rest in their order in the next ones") {
  TestLoop fixture;
  std::vector<int> busy;
  io::TaskScope scope(fixture.loop());
  for (int who = 0; who < 3; ++who) scope.spawn(be_busy(fixture.loop(), who, busy));
  std::size_t posted_after = 0;
  fixture.loop().post([&] { fixture.loop().post([&] { posted_after = busy.size(); }); });
  for (std::size_t turn = 1; turn <= 3; ++turn) {
    fixture.turn_at_once();
    CHECK(busy.size() == turn);
  }
  CHECK(busy == std::vector<int>{0, 1, 2});
  CHECK(posted_after == 1);
  fixture.drain(scope);
}

TEST_CASE("what is posted may own things that cannot be copied, and is freed when the loop goes first") {
  auto owned = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = owned;
  {
    TestLoop fixture;
    fixture.loop().post([mine = std::make_unique<std::shared_ptr<int>>(std::move(owned))] { REQUIRE(mine); });
    CHECK_FALSE(watched.expired());
  }
  CHECK(watched.expired());
}

}  // namespace ringdrop::test
