#include "io/repeated_lines.h"

#include <doctest/doctest.h>

#include <string>

namespace ringdrop::io {
namespace {

constexpr RepeatedLines::Time kStart{std::chrono::hours(1)};

TEST_CASE("of one line a few are let through in a minute, the next one says how many were left out") {
  RepeatedLines lines;
  for (uint64_t i = 0; i < RepeatedLines::kMostInWindow; ++i) CHECK(lines.admit("full", kStart) == "full");
  for (int i = 0; i < 7; ++i) CHECK(!lines.admit("full", kStart + std::chrono::seconds(59)));
  CHECK(lines.admit("full", kStart + RepeatedLines::kWindow) == "full (and 7 times more)");
  CHECK(lines.admit("full", kStart + 2 * RepeatedLines::kWindow) == "full");
}

TEST_CASE("lines that differ do not stand in each other's way") {
  RepeatedLines lines;
  for (int i = 0; i < 20; ++i) lines.admit("full", kStart);
  CHECK(lines.admit("broken", kStart) == "broken");
}

TEST_CASE("lines that differ in their numbers alone are the same one") {
  RepeatedLines lines;
  for (int i = 0; i < 20; ++i) lines.admit("failed after " + std::to_string(i) + " bytes", kStart);
  CHECK(!lines.admit("failed after 99 bytes", kStart));
  CHECK(lines.admit("failed after 100 bytes", kStart + RepeatedLines::kWindow) ==
        "failed after 100 bytes (and 16 times more)");
}

TEST_CASE("more different lines than are remembered are all let through, until old ones are forgotten") {
  RepeatedLines lines;
  for (std::size_t i = 0; i < RepeatedLines::kMostLines; ++i) lines.admit(std::string(i, 'x'), kStart);
  for (int i = 0; i < 20; ++i) CHECK(lines.admit("one more", kStart) == "one more");
  const RepeatedLines::Time later = kStart + RepeatedLines::kWindow;
  for (uint64_t i = 0; i < RepeatedLines::kMostInWindow; ++i) CHECK(lines.admit("one more", later) == "one more");
  CHECK(!lines.admit("one more", later));
}

}  // namespace
}  // namespace ringdrop::io
