#include "io/busy_time.h"

#include <doctest/doctest.h>

namespace ringdrop::io {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("the longest busy time is that of the last minute or two") {
  const TimePoint start{std::chrono::hours(1)};
  BusyTime busy;
  CHECK(busy.longest() == milliseconds(0));
  busy.record(start, start + milliseconds(7));
  busy.record(start + seconds(1), start + seconds(1) + milliseconds(3));
  CHECK(busy.longest() == milliseconds(7));
  busy.record(start + seconds(61), start + seconds(61) + milliseconds(2));
  CHECK(busy.longest() == milliseconds(7));
  busy.record(start + seconds(122), start + seconds(122) + milliseconds(1));
  CHECK(busy.longest() == milliseconds(2));
}

TEST_CASE("after a long pause the old times are forgotten") {
  const TimePoint start{std::chrono::hours(1)};
  BusyTime busy;
  busy.record(start, start + milliseconds(7));
  busy.record(start + seconds(600), start + seconds(600) + milliseconds(1));
  CHECK(busy.longest() == milliseconds(1));
}

}  // namespace ringdrop::io
