#include "tests/bench/load/stopped_cpus.h"

#include <doctest/doctest.h>

#include <vector>

namespace load {

using Lists = std::vector<std::vector<Interval>>;

TEST_CASE("all CPUs stood still for as long as each of them did at the same time") {
  CHECK(time_in_all(Lists{}) == 0);
  CHECK(time_in_all(Lists{{{10, 30}, {50, 60}}}) == 30);
  CHECK(time_in_all(Lists{{{10, 30}, {50, 60}}, {}}) == 0);
  CHECK(time_in_all(Lists{{{10, 30}, {50, 60}}, {{30, 50}}}) == 0);
  CHECK(time_in_all(Lists{{{10, 30}, {50, 60}}, {{20, 55}}}) == 15);
  CHECK(time_in_all(Lists{{{10, 100}}, {{0, 20}, {30, 40}, {90, 200}}}) == 30);
  CHECK(time_in_all(Lists{{{0, 20}, {30, 40}, {90, 200}}, {{10, 100}}}) == 30);
  CHECK(time_in_all(Lists{{{10, 100}}, {{20, 90}}, {{0, 30}, {80, 85}}}) == 15);
}

}  // namespace load
