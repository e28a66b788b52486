// When a loop lets others have its CPU: on a ring that only notes what it is asked, and on a real one.
#include <doctest/doctest.h>
#include <sched.h>

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "io/event_loop.h"
#include "io/task.h"
#include "io/task_scope.h"
#include "io/wait_list.h"
#include "tests/io/test_loop.h"

namespace {

// Of this thread alone: what waits for another thread, as std::latch does, yields too.
thread_local int yields = 0;

}  // namespace

// In place of the C library's, for this whole program: it is the one thing that tells whether a ring has yielded.
extern "C" int sched_yield() noexcept {
  ++yields;
  return 0;
}

namespace ringdrop::test {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using Notes = std::vector<std::string>;

class NotingRing final : public io::Ring {
 public:
  void pass(std::chrono::nanoseconds time) { now_ += time; }

  Notes notes;
  std::chrono::nanoseconds others_take{0};
  std::chrono::nanoseconds submissions_take{0};
  std::chrono::nanoseconds sleeps{0};
  // A turn that was long has just ended.
  std::function<void()> on_long_turn = [] {};

  void submit(io::Operation&) override {}
  void cancel(io::Operation&) override {}
  void close(int) override {}
  Wait wait(io::TimePoint) override {
    notes.emplace_back("wait");
    pass(submissions_take);
    const io::TimePoint began = now_;
    pass(sleeps);
    return {began, now_};
  }
  void deliver() override { notes.emplace_back("deliver"); }
  void wake() override {}
  void complete_from_thread(io::Completion&, int32_t) override {}
  void give_way() override {
    notes.emplace_back("give way");
    pass(others_take);
  }
  io::TimePoint now() override { return now_; }
  std::chrono::nanoseconds thread_cpu_time() override {
    std::exchange(on_long_turn, [] {})();
    return {};
  }
  io::EpochMs epoch_ms() override { return 0; }
  void random(MutableBytes) override {}
  io::Result<int> listen(const io::Address&) override { return 0; }
  io::Result<int> make_socket(const io::Address&) override { return 0; }
  io::Address local_address(int) override { return {}; }
  io::Result<uint64_t> unacknowledged_bytes(int) override { return 0; }
  bool register_memory(unsigned, MutableBytes) override { return false; }

 private:
  io::TimePoint now_{std::chrono::hours(1)};
};

struct NotingLoop {
  io::Log log{io::Log::Level::off};
  NotingRing ring;
  io::EventLoop loop{ring, log};

  NotingLoop() { loop.turn(); }
  // A turn that is busy for so long; what its ring was asked.
  Notes turn(std::chrono::nanoseconds busy) {
    ring.notes.clear();
    loop.post([&] { ring.pass(busy); });
    loop.turn();
    return ring.notes;
  }
};

const Notes kPlainTurn = {"wait", "deliver"};
const Notes kGivesWay = {"wait", "give way", "deliver"};

}  // namespace

TEST_CASE("a loop lets others have its CPU after 200 us, between a wait and its completions") {
  NotingLoop noting;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 3; ++i) CHECK(noting.turn(microseconds(60)) == kPlainTurn);
    CHECK(noting.turn(microseconds(60)) == kGivesWay);
  }
  CHECK(noting.turn(microseconds(199)) == kPlainTurn);
  CHECK(noting.turn(microseconds(1)) == kGivesWay);
}

TEST_CASE("the 200 us begin when the others have had it") {
  NotingLoop noting;
  noting.ring.others_take = milliseconds(4);
  CHECK(noting.turn(microseconds(200)) == kGivesWay);
  CHECK(noting.turn(microseconds(199)) == kPlainTurn);
  CHECK(noting.turn(microseconds(1)) == kGivesWay);
}

TEST_CASE("what others take of a loop's CPU is a step of its turn, and told as such") {
  NotingLoop noting;
  io::LoopHealth& health = noting.loop.health();
  noting.ring.others_take = milliseconds(30);
  static_cast<void>(noting.turn(microseconds(200)));
  CHECK(health.long_turns() == 0);  // what it has begun ends before the next wait
  std::string complaint;
  noting.ring.on_long_turn = [&] { complaint = health.complaint(std::chrono::nanoseconds(0)); };
  static_cast<void>(noting.turn(milliseconds(1)));
  CHECK(health.longest_turn(noting.ring.now()) == milliseconds(31));
  CHECK(health.long_turns() == 1);
  CHECK(complaint.starts_with("a turn of the loop took 31.0 ms, 30.0 ms of it for: others on its CPU (one of "));
  CHECK(complaint.ends_with("; its thread had a CPU for 0.0 ms: others were busy, or a call has blocked"));
}

TEST_CASE(
    "what the kernel does at once with what was submitted is a step of the turn, and the sleep behind it is not") {
  NotingLoop noting;
  io::LoopHealth& health = noting.loop.health();
  noting.ring.submissions_take = milliseconds(20);
  noting.ring.sleeps = milliseconds(500);
  std::string complaint;
  noting.ring.on_long_turn = [&] { complaint = health.complaint(std::chrono::nanoseconds(0)); };
  static_cast<void>(noting.turn(milliseconds(2)));
  CHECK(health.longest_turn(noting.ring.now()) == milliseconds(22));
  CHECK(health.long_turns() == 1);
  CHECK(complaint.starts_with("a turn of the loop took 22.0 ms, 20.0 ms of it for: what was submitted (one of "));
}

TEST_CASE("who has waited in the loop and goes on for long is named by what it has waited for") {
  NotingLoop noting;
  io::WaitList buffers(noting.loop, "what has waited for a buffer");
  io::WaitList tasks(noting.loop, "what has waited for its tasks to end");
  const auto wait = [](io::WaitList& list, NotingRing& ring, milliseconds then_busy) -> io::Task<> {
    static_cast<void>(co_await list.wait());
    ring.pass(then_busy);
  };
  io::TaskScope scope(noting.loop);
  scope.spawn(wait(buffers, noting.ring, milliseconds(12)));
  scope.spawn(wait(tasks, noting.ring, milliseconds(3)));
  buffers.wake_all();
  tasks.wake_all();
  std::string complaint;
  noting.ring.on_long_turn = [&] { complaint = noting.loop.health().complaint(milliseconds(12)); };
  while (scope.size() > 0) noting.loop.turn();
  CHECK(
      complaint.starts_with("a turn of the loop took 12.0 ms, 12.0 ms of it for: what has waited for a buffer (one "));
}

TEST_CASE("a ring yields unless its thread was off the CPU by itself since the last time") {
  TestLoop fixture;
  io::Ring& ring = fixture.ring();
  const int before = yields;
  // At once again: only a thread that has lost its CPU just between the two would not.
  while (yields == before) ring.give_way();
  for (int i = 0; i < 10; ++i) {
    const io::TimePoint until = ring.now() + milliseconds(1);
    while (ring.now() < until) {
      static_cast<void>(ring.wait(until));
      ring.deliver();
    }
    const int slept = yields;
    ring.give_way();
    CHECK(yields == slept);
  }
}

}  // namespace ringdrop::test
