#include "tests/bench/load/histogram.h"

#include <cstdint>

#include <doctest/doctest.h>

using load::Histogram;

TEST_CASE("a quantile is never below the value and at most 1 % above it") {
  for (uint64_t value = 1; value < uint64_t{1} << 62; value += 1 + value / 7) {
    Histogram histogram;
    histogram.record(value);
    histogram.record(uint64_t{1} << 63);
    const uint64_t median = histogram.quantile(0.5);
    CHECK(median >= value);
    CHECK(median <= value + value / 100);
  }
}

TEST_CASE("quantiles are found among many values") {
  Histogram histogram;
  for (uint64_t value = 1; value <= 1000; ++value) histogram.record(value * 1000);
  CHECK(histogram.quantile(0.5) == doctest::Approx(500'000).epsilon(0.01));
  CHECK(histogram.quantile(0.99) == doctest::Approx(990'000).epsilon(0.01));
  CHECK(histogram.quantile(1) == 1'000'000);
  CHECK(histogram.mean() == doctest::Approx(500'500));
}

TEST_CASE("two histograms joined are as one that has seen all") {
  Histogram few, many;
  few.record(10);
  for (int i = 0; i < 99; ++i) many.record(20);
  many.add(few);
  CHECK(many.count() == 100);
  CHECK(many.quantile(0.01) == 10);
  CHECK(many.quantile(0.02) == 20);
  CHECK(many.max() == 20);
}

TEST_CASE("an empty histogram has zeros") {
  const Histogram histogram;
  CHECK(histogram.quantile(0.99) == 0);
  CHECK(histogram.mean() == 0);
}
