// The seeded workload with a power cut or a kill at any step, and what the tests would notice.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>

#include "tests/sim/workload.h"

namespace ringdrop::sim {
namespace {

constexpr uint64_t kLives = 6;

// A number of the environment, or what stands otherwise.
uint64_t wanted(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST_CASE("whatever ends the server, and when: what a client was told is true after the next start") {
  const uint64_t first = wanted("RINGDROP_SEED", 1);
  // 0: without end.
  const uint64_t rounds = wanted("RINGDROP_CRASHES", std::getenv("RINGDROP_SEED") ? 1 : 360);
  RoundReport all;
  for (uint64_t seed = first; rounds == 0 || seed < first + rounds; ++seed) {
    CAPTURE(seed);
    const RoundReport one = run_round(seed, kLives);
    CHECK(one.violations == 0);
    CHECK(!one.died);
    all.operations += one.operations;
    all.crashes += one.crashes;
    all.checks += one.checks;
    all.checkpoints += one.checkpoints;
    if ((one.violations > 0 || one.died) && rounds == 0) break;
  }
  fmt::print("seeds from {}: {} operations, {} crashes, {} facts looked at, {} offsets told by 104\n", first,
             all.operations, all.crashes, all.checks, all.checkpoints);
  if (rounds >= 360) {
    CHECK(all.operations >= 200'000);
    CHECK(all.crashes >= 2'000);
  }
}

TEST_CASE("the same seed gives the same round") {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    const RoundReport one = run_round(seed, kLives);
    const RoundReport again = run_round(seed, kLives);
    CHECK(one.trace == again.trace);
    CHECK(one.operations == again.operations);
  }
}

// The seed of the first round that finds what is planted by what it leads to; 0: none does. A crash of the program is
// no find, whatever the disk has done to it.
uint64_t first_to_find(Plant plant) {
  constexpr uint64_t kMostSeeds = 20;
  for (uint64_t seed = 1; seed <= kMostSeeds; ++seed) {
    CAPTURE(seed);
    const RoundReport one = run_round(seed, kLives, plant);
    CHECK(!one.died);
    if (one.expected) return seed;
  }
  return 0;
}

TEST_CASE("it would notice that the sync of a blob does nothing") {
  CHECK(first_to_find(Plant::skip_blob_sync) > 0);
}

TEST_CASE("it would notice that the sync of a directory does nothing") {
  CHECK(first_to_find(Plant::skip_directory_sync) > 0);
}

TEST_CASE("it would notice that the sync of the catalogue does nothing") {
  CHECK(first_to_find(Plant::skip_catalogue_sync) > 0);
}

TEST_CASE("it would notice a row that is written before its blob is durable") {
  CHECK(first_to_find(Plant::late_blob_sync) > 0);
}

}  // namespace
}  // namespace ringdrop::sim
