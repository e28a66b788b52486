#include "io/timer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "tests/io/random_seed.h"

namespace ringdrop::test {
namespace {

io::TimePoint at(int64_t ms) {
  return io::TimePoint(io::Milliseconds(ms));
}

class NotingTimer final : public io::Timer {
 public:
  NotingTimer(std::vector<int>& fired, int who) : fired_(fired), who_(who) {}
  void fire() noexcept override {
    fired_.push_back(who_);
    if (then) then();
  }
  std::function<void()> then;

 private:
  std::vector<int>& fired_;
  int who_;
};

// A heap, and what it should hold.
class Model {
 public:
  static constexpr int kTimers = 200;

  explicit Model(uint64_t seed) : random_(seed) {
    for (int i = 0; i < kTimers; ++i) timers_.push_back(std::make_unique<NotingTimer>(fired_, i));
  }

  void step() {
    const auto who = static_cast<int>(random_() % kTimers);
    switch (random_() % 4) {
      case 0:
      case 1:
        if (!armed(who)) arm(who);
        break;
      case 2:
        disarm(who);
        break;
      default:
        if (random_() % 10 == 0) fire();
    }
    CHECK(heap_.size() == expected_.size());
    CHECK(heap_.next() == (expected_.empty() ? io::kNever : at(expected_.begin()->first)));
  }

 private:
  using Expected = std::multimap<int64_t, int>;

  Expected::iterator find(int who) {
    return std::ranges::find(expected_, who, [](const auto& entry) { return entry.second; });
  }
  bool armed(int who) { return find(who) != expected_.end(); }

  void arm(int who) {
    const auto due = now_ + static_cast<int64_t>(random_() % 100);
    heap_.arm(*timers_[static_cast<std::size_t>(who)], at(due));
    expected_.emplace(due, who);
  }

  void disarm(int who) {
    heap_.disarm(*timers_[static_cast<std::size_t>(who)]);
    if (armed(who)) expected_.erase(find(who));
    // Half of the time it is a new object from now on: its destructor disarms as well.
    if (random_() % 2 == 0) timers_[static_cast<std::size_t>(who)] = std::make_unique<NotingTimer>(fired_, who);
  }

  void fire() {
    now_ += static_cast<int64_t>(random_() % 40);
    fired_.clear();
    heap_.fire_due(at(now_));
    // Those that are due at the same time may fire in any order.
    const auto end = expected_.upper_bound(now_);
    std::map<int, int64_t> due_of;
    for (auto it = expected_.begin(); it != end; ++it) due_of.emplace(it->second, it->first);
    CHECK(fired_.size() == due_of.size());
    int64_t last = 0;
    for (const int who : fired_) {
      REQUIRE(due_of.contains(who));
      CHECK(due_of[who] >= last);
      last = due_of[who];
    }
    expected_.erase(expected_.begin(), end);
  }

  std::mt19937_64 random_;
  int64_t now_ = 0;
  std::vector<int> fired_;
  io::TimerHeap heap_;
  Expected expected_;
  std::vector<std::unique_ptr<NotingTimer>> timers_;
};

}  // namespace

TEST_CASE("timers fire in the order of their deadlines, and only those that are due") {
  io::TimerHeap heap;
  std::vector<int> fired;
  NotingTimer first(fired, 1);
  NotingTimer second(fired, 2);
  NotingTimer third(fired, 3);
  CHECK(heap.next() == io::kNever);
  heap.arm(third, at(30));
  heap.arm(first, at(10));
  heap.arm(second, at(20));
  CHECK(heap.next() == at(10));
  heap.fire_due(at(9));
  CHECK(fired.empty());
  heap.fire_due(at(20));
  CHECK(fired == std::vector<int>{1, 2});
  CHECK(heap.next() == at(30));
  heap.fire_due(at(1'000));
  CHECK(fired == std::vector<int>{1, 2, 3});
  CHECK(heap.size() == 0);
}

TEST_CASE("a timer that fires may be armed again inside, and fires at once when that is due already") {
  io::TimerHeap heap;
  std::vector<int> fired;
  NotingTimer timer(fired, 1);
  int left = 3;
  timer.then = [&] {
    if (--left > 0) heap.arm(timer, at(5));
  };
  heap.arm(timer, at(5));
  heap.fire_due(at(5));
  CHECK(fired == std::vector<int>{1, 1, 1});
  left = 2;
  timer.then = [&] {
    if (--left > 0) heap.arm(timer, at(100));
  };
  heap.arm(timer, at(5));
  heap.fire_due(at(6));
  CHECK(fired.size() == 4);
  CHECK(heap.next() == at(100));
  heap.disarm(timer);
}

TEST_CASE("a timer that fires may arm, disarm and destroy others") {
  io::TimerHeap heap;
  std::vector<int> fired;
  NotingTimer first(fired, 1);
  NotingTimer disarmed(fired, 2);
  auto destroyed = std::make_unique<NotingTimer>(fired, 3);
  NotingTimer armed(fired, 4);
  first.then = [&] {
    heap.disarm(disarmed);
    destroyed.reset();
    heap.arm(armed, at(2));
  };
  heap.arm(disarmed, at(2));
  heap.arm(*destroyed, at(3));
  heap.arm(first, at(1));
  heap.fire_due(at(10));
  CHECK(fired == std::vector<int>{1, 4});
  CHECK(heap.size() == 0);
}

TEST_CASE("disarming a timer that is not armed has no effect") {
  io::TimerHeap heap;
  std::vector<int> fired;
  NotingTimer timer(fired, 1);
  heap.disarm(timer);
  heap.arm(timer, at(1));
  heap.fire_due(at(1));
  heap.disarm(timer);
  CHECK(fired.size() == 1);
}

TEST_CASE("a timer that is destroyed never fires") {
  io::TimerHeap heap;
  std::vector<int> fired;
  NotingTimer stays(fired, 1);
  heap.arm(stays, at(2));
  {
    NotingTimer goes(fired, 2);
    heap.arm(goes, at(1));
    CHECK(heap.size() == 2);
  }
  CHECK(heap.size() == 1);
  heap.fire_due(at(5));
  CHECK(fired == std::vector<int>{1});
}

TEST_CASE("the heap behaves like a sorted map, whatever is armed, disarmed, destroyed and fired") {
  RANDOM_TEST(seed);
  Model model(seed);
  for (int i = 0; i < 20'000; ++i) model.step();
}

}  // namespace ringdrop::test
