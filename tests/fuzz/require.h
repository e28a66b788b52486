// What a fuzz target says must hold: unlike assert() in every build, and findable by the fuzzer.
#pragma once

#include <cstdio>
#include <cstdlib>

#define REQUIRE_THAT(condition)                                                          \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
