#include "io/loop_health.h"

#include <doctest/doctest.h>

namespace ringdrop::io {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr TimePoint kStart{std::chrono::hours(1)};

// A turn of one step; whether it is worth a line in the log.
bool take_turn(LoopHealth& health, TimePoint from, std::chrono::nanoseconds long_) {
  if (health.begin_turn(from)) health.note_cpu_time(std::chrono::nanoseconds(0));
  health.begin_step("a test", from);
  return health.end_turn(from + long_, 1);
}

}  // namespace

TEST_CASE("a recent maximum is that of the last minute or two") {
  RecentMaximum<milliseconds> longest;
  CHECK(longest.get(kStart) == milliseconds(0));
  longest.record(milliseconds(7), kStart);
  longest.record(milliseconds(3), kStart + seconds(1));
  CHECK(longest.get(kStart + seconds(1)) == milliseconds(7));
  longest.record(milliseconds(2), kStart + seconds(61));
  CHECK(longest.get(kStart + seconds(61)) == milliseconds(7));
  longest.record(milliseconds(1), kStart + seconds(122));
  CHECK(longest.get(kStart + seconds(122)) == milliseconds(2));
}

TEST_CASE("after a long pause the old ones are forgotten") {
  RecentMaximum<milliseconds> longest;
  longest.record(milliseconds(7), kStart);
  longest.record(milliseconds(1), kStart + seconds(600));
  CHECK(longest.get(kStart + seconds(600)) == milliseconds(1));
}

TEST_CASE("where nothing happens any more the old ones are forgotten as well") {
  RecentMaximum<milliseconds> longest;
  longest.record(milliseconds(7), kStart);
  longest.record(milliseconds(3), kStart + seconds(70));
  CHECK(longest.get(kStart + seconds(119)) == milliseconds(7));
  CHECK(longest.get(kStart + seconds(120)) == milliseconds(3));
  CHECK(longest.get(kStart + seconds(179)) == milliseconds(3));
  CHECK(longest.get(kStart + seconds(180)) == milliseconds(0));
}

TEST_CASE("a loop that is stuck is seen while it is, and one that waits is not taken for it") {
  LoopHealth health;
  CHECK_FALSE(take_turn(health, kStart, milliseconds(4)));
  CHECK(health.longest_turn(kStart + seconds(50)) == milliseconds(4));
  CHECK(health.longest_turn(kStart + seconds(600)) == milliseconds(0));
  static_cast<void>(health.begin_turn(kStart + seconds(600)));
  CHECK(health.longest_turn(kStart + seconds(900)) == seconds(300));
}

TEST_CASE("a long turn says which of its steps was the long one") {
  LoopHealth health;
  CHECK(health.begin_turn(kStart));
  health.note_cpu_time(seconds(5));
  health.begin_step("timers", kStart);
  health.begin_step("read", kStart + milliseconds(1));
  health.begin_step("receive", kStart + milliseconds(21));
  CHECK(health.end_turn(kStart + milliseconds(23), 17));
  CHECK(health.complaint(seconds(5) + milliseconds(22)) ==
        "a turn of the loop took 23.0 ms, 20.0 ms of it for: read (one of 3 steps)");
  CHECK(health.longest_turn(kStart) == milliseconds(23));
  CHECK(health.most_ready(kStart) == 17);
  CHECK(health.long_turns() == 1);
}

TEST_CASE("a turn that was long because the thread had no CPU says so") {
  LoopHealth health;
  CHECK(take_turn(health, kStart, milliseconds(40)));
  CHECK(health.complaint(milliseconds(3)) ==
        "a turn of the loop took 40.0 ms, 40.0 ms of it for: a test (one of 1 steps); its thread had a CPU for 3.0 ms: "
        "others were busy, or a call has blocked");
}

TEST_CASE("short turns are nothing to speak of, and of many long ones one line is enough") {
  LoopHealth health;
  CHECK_FALSE(take_turn(health, kStart, milliseconds(10)));
  CHECK(health.long_turns() == 0);
  CHECK(take_turn(health, kStart + seconds(1), milliseconds(11)));
  static_cast<void>(health.complaint(milliseconds(11)));
  for (int i = 2; i < 10; ++i) CHECK_FALSE(take_turn(health, kStart + seconds(i), milliseconds(11)));
  CHECK(take_turn(health, kStart + seconds(12), milliseconds(11)));
  CHECK(health.complaint(milliseconds(11)).ends_with("; 8 more long turns since the last such line"));
  CHECK(health.long_turns() == 10);
}

TEST_CASE("a loop knows whether requests come often, and forgets it when they do not") {
  LoopHealth health;
  for (int i = 0; i < 9; ++i) health.note_request(kStart);
  CHECK_FALSE(health.is_asked_often(kStart));
  health.note_request(kStart + milliseconds(90));
  CHECK(health.is_asked_often(kStart + milliseconds(90)));
  CHECK(health.is_asked_often(kStart + milliseconds(190)));
  CHECK_FALSE(health.is_asked_often(kStart + milliseconds(300)));
  for (int i = 0; i < 100; ++i) health.note_request(kStart + seconds(1) + i * milliseconds(5));
  CHECK(health.is_asked_often(kStart + seconds(1) + milliseconds(495)));
  CHECK_FALSE(health.is_asked_often(kStart + seconds(60)));
}

TEST_CASE("the thread's clock is read now and then alone: it costs a system call") {
  LoopHealth health;
  int readings = 0;
  for (int i = 0; i < 1'000; ++i) readings += health.begin_turn(kStart + i * microseconds(100)) ? 1 : 0;
  CHECK(readings == 20);
}

}  // namespace ringdrop::io
