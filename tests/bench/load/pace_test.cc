#include "tests/bench/load/pace.h"

#include <cstdint>
#include <set>

#include <doctest/doctest.h>

using load::Nanoseconds;
using load::Pace;

namespace {

constexpr Nanoseconds kSecond = 1'000'000'000;
constexpr Nanoseconds kNow = 1'234'567 * kSecond + 891'011;  // somewhere in an interval

}  // namespace

TEST_CASE("without a pace there is no limit") {
  CHECK(!Pace().is_limited());
  CHECK(!Pace(0, 3, 8).is_limited());
  CHECK(Pace(1, 0, 1).is_limited());
}

TEST_CASE("a pace is kept over any time, never by more than a step behind or ahead") {
  for (const uint64_t pace : {16'384u, 1'000'000u, 60'000'000u, 4'000'000'000u}) {
    const Pace one(pace, 2, 7);
    for (const double seconds : {0.0, 0.003, 0.77, 5.0, 3600.0}) {
      const double flowed = seconds * static_cast<double>(pace);
      const auto allowed = static_cast<double>(
          one.allowed(kNow, kNow + static_cast<Nanoseconds>(seconds * static_cast<double>(kSecond))));
      CHECK(allowed >= flowed * 0.9999);
      CHECK(allowed <= flowed + static_cast<double>(pace / 200 + 8192) + 1);
    }
  }
}

TEST_CASE("a step is 5 ms of a fast connection, and 8 KiB of a slow one, but half a second at most") {
  const auto interval = [](uint64_t pace) {
    const Pace one(pace, 0, 1);
    const Nanoseconds step = one.next_step(kNow);
    return one.next_step(step) - step;
  };
  CHECK(interval(60'000'000) == kSecond / 200);
  CHECK(interval(80 << 10) == kSecond / 10);
  CHECK(interval(16 << 10) == kSecond / 2);
  CHECK(interval(1) == kSecond / 2);
}

TEST_CASE("between two steps nothing more is allowed, at the next one more is") {
  const Pace pace(60'000'000, 3, 8);
  const Nanoseconds next = pace.next_step(kNow);
  REQUIRE(next > kNow);
  CHECK(pace.allowed(kNow, kNow) > 0);
  CHECK(pace.allowed(kNow, next - 1) == pace.allowed(kNow, kNow));
  CHECK(pace.allowed(kNow, next) == pace.allowed(kNow, kNow) + 300'000);
}

TEST_CASE("connections take their steps one after the other, whenever each has begun") {
  std::set<Nanoseconds> steps;
  Nanoseconds now = kNow / kSecond * kSecond;
  for (std::size_t number = 0; number < 8; ++number) {
    const Nanoseconds step = Pace(60'000'000, number, 8).next_step(now);
    steps.insert(step % (kSecond / 200));
    now += kSecond / 200;
  }
  CHECK(steps.size() == 8);
  Nanoseconds last = *steps.rbegin() - kSecond / 200;
  for (const Nanoseconds step : steps) {
    CHECK(step - last == kSecond / 200 / 8);
    last = step;
  }
}
