#include "proto/http_range.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringdrop::proto {
namespace {

using Kind = RangeSelection::Kind;
using Ranges = std::vector<ByteRange>;

const std::string kThirtyDigits = "100000000000000000000000000000";

struct Case {
  std::string_view field;
  Ranges ranges;
};

void check_ranges(const std::vector<Case>& cases, uint64_t size_bytes) {
  for (const Case& c : cases) {
    CAPTURE(c.field);
    const RangeSelection selection = select_ranges(c.field, size_bytes);
    CHECK(selection.kind == Kind::ranges);
    CHECK(selection.ranges == c.ranges);
  }
}

void check_kind(const std::vector<std::string>& fields, uint64_t size_bytes, Kind kind) {
  for (const std::string& field : fields) {
    CAPTURE(field);
    const RangeSelection selection = select_ranges(field, size_bytes);
    CHECK(selection.kind == kind);
    CHECK(selection.ranges.empty());
  }
}

// "bytes=0-0,2-2,4-4": `count` ranges of one byte that do not touch.
std::string scattered(std::size_t count) {
  std::string field = "bytes=";
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) field += ',';
    field += std::to_string(2 * i) + "-" + std::to_string(2 * i);
  }
  return field;
}

}  // namespace

TEST_CASE("the ranges of RFC 9110 14.1.2, of a representation of 10000 bytes") {
  check_ranges({{"bytes=0-499", {{0, 499}}},
                {"bytes=500-999", {{500, 999}}},
                {"bytes=-500", {{9500, 9999}}},
                {"bytes=9500-", {{9500, 9999}}},
                {"bytes=0-0,-1", {{0, 0}, {9999, 9999}}},
                {"bytes=500-600,601-999", {{500, 999}}},
                {"bytes=500-700,601-999", {{500, 999}}},
                {"bytes= 0-999, 4500-5499, -1000", {{0, 999}, {4500, 5499}, {9000, 9999}}}},
               10'000);
}

TEST_CASE("the unit has no case, and white space and empty elements around commas do not count") {
  check_ranges({{"BYTES=0-1", {{0, 1}}},
                {"Bytes=0-1", {{0, 1}}},
                {"bytes=,,0-1,,", {{0, 1}}},
                {"bytes= \t0-1 ,\t, 5-6\t", {{0, 1}, {5, 6}}},
                {"bytes=,\t,0-1", {{0, 1}}}},
               100);
}

TEST_CASE("what is behind the end is cut to the end") {
  check_ranges({{"bytes=0-99", {{0, 99}}},
                {"bytes=0-100", {{0, 99}}},
                {"bytes=99-", {{99, 99}}},
                {"bytes=-100", {{0, 99}}},
                {"bytes=-101", {{0, 99}}},
                {"bytes=0-18446744073709551615", {{0, 99}}},
                {"bytes=0-18446744073709551616", {{0, 99}}},
                {"bytes=-18446744073709551616", {{0, 99}}}},
               100);
}

TEST_CASE("positions may have any number of digits") {
  const std::string to_far = "bytes=7-" + kThirtyDigits;
  const std::string suffix = "bytes=-" + kThirtyDigits;
  const std::string zeros = "bytes=" + std::string(5000, '0') + "7-" + std::string(5000, '0') + "8";
  const std::string zero_suffix = "bytes=-" + std::string(40, '0') + "2";
  check_ranges({{to_far, {{7, 99}}}, {suffix, {{0, 99}}}, {zeros, {{7, 8}}}, {zero_suffix, {{98, 99}}}}, 100);
  check_kind({"bytes=" + kThirtyDigits + "-", "bytes=" + kThirtyDigits + "-" + kThirtyDigits,
              "bytes=" + kThirtyDigits + "-2" + kThirtyDigits},
             100, Kind::unsatisfiable);
  // The last position is less than the first, though neither fits 64 bits.
  check_kind({"bytes=2" + kThirtyDigits + "-" + kThirtyDigits, "bytes=" + kThirtyDigits + "-5"}, 100, Kind::whole);
}

TEST_CASE("the largest size there can be has its last byte") {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  check_ranges({{"bytes=-1", {{kMost - 1, kMost - 1}}},
                {"bytes=18446744073709551614-", {{kMost - 1, kMost - 1}}},
                {"bytes=0-,5-", {{0, kMost - 1}}}},
               kMost);
  check_kind({"bytes=18446744073709551615-"}, kMost, Kind::unsatisfiable);
}

TEST_CASE("ranges of which not one byte exists are unsatisfiable") {
  check_kind({"bytes=-0", "bytes=-000", "bytes=100-", "bytes=100-200", "bytes=100-100, 200-, -0"}, 100,
             Kind::unsatisfiable);
  check_kind({"bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"}, 0, Kind::unsatisfiable);
}

TEST_CASE("of a set, what cannot be satisfied is left out") {
  check_ranges(
      {{"bytes=100-,0-1", {{0, 1}}}, {"bytes=0-1,-0", {{0, 1}}}, {"bytes=200-300,5-6,100-,0-1,-0", {{5, 6}, {0, 1}}}},
      100);
}

TEST_CASE("no field, another unit or a syntax error is no range") {
  check_kind({"",
              "bytes",
              "bytes=",
              "bytes=,",
              "bytes= , ,",
              "bytes =0-1",
              " bytes=0-1",
              "byte=0-1",
              "bytess=0-1",
              "items=0-1",
              "none",
              "=0-1",
              "bytes:0-1",
              "bytes=-",
              "bytes=--1",
              "bytes=1",
              "bytes=a-b",
              "bytes=0-1x",
              "bytes=0x0-",
              "bytes=+0-1",
              "bytes=0-+1",
              "bytes=0--1",
              "bytes=0 - 1",
              "bytes=0- 1",
              "bytes=5-4",
              "bytes=0-1;",
              "bytes=0-1,5-4",
              "bytes=0-1,a",
              "bytes=0-1 2-3",
              "bytes=0-1, bytes=2-3",
              "bytes=0-1-2",
              "bytes=0.5-1",
              "bytes=\xb2-"},
             100, Kind::whole);
  check_kind({std::string("bytes=0-1\0", 10), std::string("bytes=\0", 7)}, 100, Kind::whole);
  check_kind({"bytes=5-4", "bytes=x"}, 0, Kind::whole);
}

TEST_CASE("ranges that overlap or touch are joined where the first of them stood") {
  check_ranges({{"bytes=0-0,0-0", {{0, 0}}},
                {"bytes=0-1,2-3", {{0, 3}}},
                {"bytes=0-1,3-4", {{0, 1}, {3, 4}}},
                {"bytes=2-3,0-1", {{0, 3}}},
                {"bytes=50-59,0-9,55-70", {{50, 70}, {0, 9}}},
                {"bytes=90-,0-9,20-29,10-19,-5", {{90, 99}, {0, 29}}},
                {"bytes=10-19,30-39,0-99", {{0, 99}}},
                {"bytes=80-89,0-99,1-2", {{0, 99}}},
                {"bytes=0-98,5-6,7-8", {{0, 98}}},
                {"bytes=40-49,20-29,0-9", {{40, 49}, {20, 29}, {0, 9}}}},
               100);
}

TEST_CASE("a range of all of it is a range all the same") {
  check_ranges({{"bytes=0-", {{0, 99}}}, {"bytes=0-99", {{0, 99}}}, {"bytes=-1000", {{0, 99}}}}, 100);
  check_ranges({{"bytes=0-0", {{0, 0}}}}, 1);
}

TEST_CASE("more ranges than the most are answered with the whole") {
  CHECK(select_ranges(scattered(kMostRanges), 10'000).ranges.size() == kMostRanges);
  check_kind({scattered(kMostRanges + 1), scattered(1000), scattered(100'000)}, 1'000'000, Kind::whole);
  // Counted after those behind the end are gone and the others are joined.
  CHECK(select_ranges(scattered(1000), 2 * kMostRanges).ranges.size() == kMostRanges);
  check_ranges({{scattered(1000) + ",0-", {{0, 9999}}}}, 10'000);
  std::string same = "bytes=";
  for (int i = 0; i < 1000; ++i) same += "0-,";
  check_ranges({{same, {{0, 99}}}}, 100);
}

TEST_CASE("Content-Range says which bytes these are") {
  CHECK(format_content_range({0, 499}, 1234) == "bytes 0-499/1234");
  CHECK(format_content_range({42, 1233}, 1234) == "bytes 42-1233/1234");
  CHECK(format_unsatisfied_range(1234) == "bytes */1234");
  CHECK(format_unsatisfied_range(0) == "bytes */0");
}

TEST_CASE("a part has a head, and the parts have an end") {
  CHECK(format_part_head("THIS_STRING_SEPARATES", "application/pdf", {500, 999}, 8000, true) ==
        "--THIS_STRING_SEPARATES\r\nContent-Type: application/pdf\r\nContent-Range: bytes 500-999/8000\r\n\r\n");
  CHECK(format_part_head("B", "text/plain", {7000, 7999}, 8000, false) ==
        "\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 7000-7999/8000\r\n\r\n");
  CHECK(format_parts_end("B") == "\r\n--B--\r\n");
}

TEST_CASE("the length of the parts is that of the body they make") {
  const std::string content(1000, 'x');
  for (const Ranges& ranges : {Ranges{{0, 0}, {9, 9}}, Ranges{{0, 999}}, Ranges{{998, 999}, {10, 99}, {100, 500}}}) {
    std::string body;
    for (const ByteRange& range : ranges) {
      body += format_part_head("B", "text/plain", range, content.size(), body.empty());
      body += content.substr(range.first, range.length_bytes());
    }
    body += format_parts_end("B");
    CHECK(parts_length_bytes("B", "text/plain", ranges, content.size()) == body.size());
  }
}

}  // namespace ringdrop::proto
