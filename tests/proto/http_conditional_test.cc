#include "proto/http_conditional.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringdrop::proto {
namespace {

using enum Precondition;

// Of RFC 9110 8.8.2: "Tue, 15 Nov 1994 12:45:26 GMT".
constexpr int64_t kModifiedS = 784'903'526;
constexpr int64_t kNowS = kModifiedS + 86'400;
constexpr std::string_view kModified = "Tue, 15 Nov 1994 12:45:26 GMT";
constexpr std::string_view kBefore = "Tue, 15 Nov 1994 12:45:25 GMT";
constexpr std::string_view kAfter = "Tue, 15 Nov 1994 12:45:27 GMT";

const Validators kValidators{.etag = "\"xyzzy\"", .last_modified_s = kModifiedS};

using Lines = std::vector<std::pair<std::string_view, std::string_view>>;

Fields fields_of(const Lines& lines) {
  Fields fields;
  for (const auto& [name, value] : lines) fields.add(name, value);
  return fields;
}

Precondition evaluate(const Lines& lines, const Validators& validators = kValidators) {
  return evaluate_preconditions(fields_of(lines), validators, kNowS);
}

bool applies(const Lines& lines, const Validators& validators = kValidators, int64_t now_s = kNowS) {
  return range_applies(fields_of(lines), validators, now_s);
}

struct TagList {
  std::string_view value;
  bool weakly;    // whether it names "xyzzy" by the weak comparison
  bool strongly;  // and by the strong one
};

// The first are the examples of RFC 9110 13.1.1 and 13.1.2.
const std::vector<TagList> kTagLists = {
    {"\"xyzzy\"", true, true},
    {"\"xyzzy\", \"r2d2xxxx\", \"c3piozzzz\"", true, true},
    {"*", true, true},
    {"W/\"xyzzy\"", true, false},
    {"W/\"xyzzy\", W/\"r2d2xxxx\", W/\"c3piozzzz\"", true, false},
    {"W/\"xyzzy\", \"xyzzy\"", true, true},
    {"\"r2d2xxxx\"", false, false},
    {"\"r2d2xxxx\",\"xyzzy\"", true, true},
    {"\"a\"\t ,,\t,  \"xyzzy\"", true, true},
    {",,\"xyzzy\",", true, true},
    // A tag may hold a comma, a backslash, bytes above ASCII; a quote or a space it may not.
    {"\"a,b\", \"xyzzy\"", true, true},
    {"\",\",\"xyzzy\"", true, true},
    {"\"a\\\", \"xyzzy\"", true, true},
    {"\"\xff\", \"xyzzy\"", true, true},
    {"\"\", \"xyzzy\"", true, true},
    {"\"a b\", \"xyzzy\"", false, false},
    {"\"xyzzy,\"", false, false},
    {"\"a,\"xyzzy\"", false, false},
    // Equal to the last byte.
    {"\"XYZZY\"", false, false},
    {"\"xyzz\"", false, false},
    {"\"xyzzyy\"", false, false},
    {"w/\"xyzzy\"", false, false},
    {"W\"xyzzy\"", false, false},
    {"W/ \"xyzzy\"", false, false},
    {"W/W/\"xyzzy\"", false, false},
    // What stands before an error counts, what stands behind it does not.
    {"\"xyzzy\", garbage", true, true},
    {"\"xyzzy\", *", true, true},
    {"garbage, \"xyzzy\"", false, false},
    {"*, \"xyzzy\"", false, false},
    {"**", false, false},
    {"xyzzy", false, false},
    {"\"xyzzy", false, false},
    {"xyzzy\"", false, false},
    {"\"xyzzy\"\"a\"", false, false},
    {"\"xyzzy\" \"a\"", false, false},
    {"\"xyzzy\"; q=1", false, false},
    {"\"", false, false},
    {"W/", false, false},
    {"", false, false},
    {",", false, false},
};

}  // namespace

TEST_CASE("without preconditions all of them hold") {
  CHECK(evaluate({}) == holds);
  CHECK(evaluate({{"Host", "h"}, {"Range", "bytes=0-1"}, {"If-Range", "\"a\""}}) == holds);
}

TEST_CASE("If-None-Match compares weakly, and what matches is not modified") {
  for (const TagList& list : kTagLists) {
    CAPTURE(list.value);
    CHECK(evaluate({{"If-None-Match", list.value}}) == (list.weakly ? not_modified : holds));
  }
}

TEST_CASE("If-Match compares strongly, and fails when nothing matches") {
  for (const TagList& list : kTagLists) {
    CAPTURE(list.value);
    CHECK(evaluate({{"If-Match", list.value}}) == (list.strongly ? holds : failed));
  }
}

TEST_CASE("tags on several lines are one list") {
  CHECK(evaluate({{"If-None-Match", "\"a\""}, {"if-none-match", "\"xyzzy\""}}) == not_modified);
  CHECK(evaluate({{"If-Match", "\"a\""}, {"Host", "h"}, {"IF-MATCH", "\"xyzzy\""}}) == holds);
  CHECK(evaluate({{"If-None-Match", "\"a"}, {"If-None-Match", "\"xyzzy\""}}) == holds);
}

TEST_CASE("a tag with a comma is compared as a whole") {
  const Validators validators{.etag = "\"a,b\"", .last_modified_s = kModifiedS};
  CHECK(evaluate({{"If-None-Match", "\"a,b\""}}, validators) == not_modified);
  CHECK(evaluate({{"If-None-Match", "\"a\", \"b\""}}, validators) == holds);
  CHECK(evaluate({{"If-None-Match", "\"x\",\"a,b\""}}, validators) == not_modified);
}

TEST_CASE("a list of many tags is searched to its end") {
  std::string list;
  for (int i = 0; i < 10'000; ++i) list += "W/\"" + std::to_string(i) + "\", ";
  CHECK(evaluate({{"If-None-Match", list}}) == holds);
  CHECK(evaluate({{"If-None-Match", list + "\"xyzzy\""}}) == not_modified);
  CHECK(evaluate({{"If-None-Match", std::string(100'000, ',')}}) == holds);
  CHECK(evaluate({{"If-None-Match", std::string(100'000, '"')}}) == holds);
}

TEST_CASE("If-Modified-Since: not modified unless the file is newer") {
  CHECK(evaluate({{"If-Modified-Since", kBefore}}) == holds);
  CHECK(evaluate({{"If-Modified-Since", kModified}}) == not_modified);
  CHECK(evaluate({{"If-Modified-Since", kAfter}}) == not_modified);
  CHECK(evaluate({{"If-Modified-Since", "Tuesday, 15-Nov-94 12:45:26 GMT"}}) == not_modified);
  CHECK(evaluate({{"If-Modified-Since", "Tue Nov 15 12:45:25 1994"}}) == holds);
}

TEST_CASE("If-Unmodified-Since: fails when the file is newer") {
  CHECK(evaluate({{"If-Unmodified-Since", kBefore}}) == failed);
  CHECK(evaluate({{"If-Unmodified-Since", kModified}}) == holds);
  CHECK(evaluate({{"If-Unmodified-Since", kAfter}}) == holds);
}

TEST_CASE("a date that does not parse, or several of them, is ignored") {
  for (const std::string_view date : {"", "yesterday", "0", "784903526", "Tue, 15 Nov 1994", "\"xyzzy\"", "*",
                                      "Tue, 31 Feb 2094 12:45:26 GMT", "Tue, 15 Nov 1994 12:45:26 GMT;"}) {
    CAPTURE(date);
    CHECK(evaluate({{"If-Modified-Since", date}}) == holds);
    CHECK(evaluate({{"If-Unmodified-Since", date}}) == holds);
  }
  CHECK(evaluate({{"If-Modified-Since", kAfter}, {"If-Modified-Since", kAfter}}) == holds);
  CHECK(evaluate({{"If-Unmodified-Since", kBefore}, {"If-Unmodified-Since", kBefore}}) == holds);
}

TEST_CASE("where there are tags, the dates of the same kind are ignored") {
  CHECK(evaluate({{"If-Match", "\"xyzzy\""}, {"If-Unmodified-Since", kBefore}}) == holds);
  CHECK(evaluate({{"If-Unmodified-Since", kAfter}, {"If-Match", "\"a\""}}) == failed);
  CHECK(evaluate({{"If-None-Match", "\"a\""}, {"If-Modified-Since", kAfter}}) == holds);
  CHECK(evaluate({{"If-Modified-Since", kBefore}, {"If-None-Match", "\"xyzzy\""}}) == not_modified);
  // Present is enough, even when it is empty or does not parse.
  CHECK(evaluate({{"If-None-Match", ""}, {"If-Modified-Since", kAfter}}) == holds);
  CHECK(evaluate({{"If-None-Match", "garbage"}, {"If-Modified-Since", kAfter}}) == holds);
  CHECK(evaluate({{"If-Match", ""}, {"If-Unmodified-Since", kAfter}}) == failed);
}

TEST_CASE("what fails comes before what is not modified") {
  CHECK(evaluate({{"If-None-Match", "\"xyzzy\""}, {"If-Match", "\"a\""}}) == failed);
  CHECK(evaluate({{"If-None-Match", "\"xyzzy\""}, {"If-Match", "\"xyzzy\""}}) == not_modified);
  CHECK(evaluate({{"If-None-Match", "\"a\""}, {"If-Match", "\"xyzzy\""}}) == holds);
  CHECK(evaluate({{"If-Modified-Since", kModified}, {"If-Unmodified-Since", kBefore}}) == failed);
  CHECK(evaluate({{"If-Modified-Since", kModified}, {"If-Unmodified-Since", kModified}}) == not_modified);
  CHECK(evaluate({{"If-None-Match", "*"}, {"If-Unmodified-Since", kBefore}}) == failed);
  CHECK(evaluate({{"If-Match", "*"}, {"If-Modified-Since", kModified}}) == not_modified);
}

TEST_CASE("a range applies without If-Range, and with the strong tag of the file") {
  CHECK(applies({}));
  CHECK(applies({{"If-Range", "\"xyzzy\""}}));
  CHECK(applies({{"if-range", "\"xyzzy\""}}));
  for (const std::string_view value :
       {"", "*", "xyzzy", "\"a\"", "W/\"xyzzy\"", "\"xyzzy", "\"xyzzy\" ", "\"xyzzy\", \"a\"", "\"a\", \"xyzzy\"",
        "\"xyzzy\"\"xyzzy\"", "w/\"xyzzy\"", "\"\"", "\""}) {
    CAPTURE(value);
    CHECK_FALSE(applies({{"If-Range", value}}));
  }
  CHECK_FALSE(applies({{"If-Range", "\"xyzzy\""}, {"If-Range", "\"xyzzy\""}}));
}

TEST_CASE("a date in If-Range has to equal that of the file") {
  CHECK(applies({{"If-Range", kModified}}));
  CHECK(applies({{"If-Range", "Tuesday, 15-Nov-94 12:45:26 GMT"}}));
  CHECK_FALSE(applies({{"If-Range", kBefore}}));
  CHECK_FALSE(applies({{"If-Range", kAfter}}));
  CHECK_FALSE(applies({{"If-Range", "Tue, 15 Nov 1994 12:45:26"}}));
  CHECK_FALSE(applies({{"If-Range", kModified}, {"If-Range", kModified}}));
}

TEST_CASE("a date in If-Range is strong a minute after the file changed") {
  CHECK(applies({{"If-Range", kModified}}, kValidators, kModifiedS + 60));
  CHECK_FALSE(applies({{"If-Range", kModified}}, kValidators, kModifiedS + 59));
  CHECK_FALSE(applies({{"If-Range", kModified}}, kValidators, kModifiedS));
  CHECK_FALSE(applies({{"If-Range", kModified}}, kValidators, kModifiedS - 60));
  // The tag is, at once.
  CHECK(applies({{"If-Range", "\"xyzzy\""}}, kValidators, kModifiedS));
}

}  // namespace ringdrop::proto
