// The seed of a test that rolls dice: printed when the test fails, taken from RINGDROP_SEED to repeat one run.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string_view>

namespace ringdrop::test {

inline uint64_t random_seed() {
  if (const char* given = std::getenv("RINGDROP_SEED")) {
    const std::string_view text = given;
    uint64_t seed = 0;
    std::from_chars(text.begin(), text.end(), seed);
    return seed;
  }
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

}  // namespace ringdrop::test

// To be put first in such a test: `RANDOM_TEST(seed);`
#define RANDOM_TEST(seed)                                \
  const uint64_t seed = ::ringdrop::test::random_seed(); \
  CAPTURE(seed)
