#include "proto/media_type.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringdrop::proto {
namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;

}  // namespace

TEST_CASE("a media type is a type, a subtype and parameters") {
  struct Case {
    std::string_view text;
    std::string_view type;
    Parameters parameters;
  };
  const std::vector<Case> cases = {
      {"text/html", "text/html", {}},
      // The four of RFC 9110 8.3.1 that are equivalent, but for the case of the value.
      {"text/html;charset=utf-8", "text/html", {{"charset", "utf-8"}}},
      {"Text/HTML;Charset=\"utf-8\"", "text/html", {{"charset", "utf-8"}}},
      {"text/html; charset=\"utf-8\"", "text/html", {{"charset", "utf-8"}}},
      {"text/html;charset=UTF-8", "text/html", {{"charset", "UTF-8"}}},
      {"multipart/form-data; boundary=AaB03x", "multipart/form-data", {{"boundary", "AaB03x"}}},
      {"multipart/form-data;boundary=\"a b;c,d\"", "multipart/form-data", {{"boundary", "a b;c,d"}}},
      {"a/b;c=\"\"", "a/b", {{"c", ""}}},
      {"a/b;c=\"\\\"\\\\\\x\"", "a/b", {{"c", "\"\\x"}}},
      {"a/b;c=\"\t\xc3\xa9\"", "a/b", {{"c", "\t\xc3\xa9"}}},
      {"a/b \t; \tc=d ; e=f", "a/b", {{"c", "d"}, {"e", "f"}}},
      {"a/b;", "a/b", {}},
      {"a/b ; ; ;c=d;;", "a/b", {{"c", "d"}}},
      {"a/b; ", "a/b", {}},
      {"application/vnd.api+json;v=1", "application/vnd.api+json", {{"v", "1"}}},
      {"!#$%&'*+-.^_`|~/x", "!#$%&'*+-.^_`|~/x", {}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const auto parsed = parse_media_type(c.text);
    REQUIRE(parsed.has_value());
    CHECK(parsed->type == c.type);
    CHECK(parsed->parameters == c.parameters);
  }
}

TEST_CASE("a parameter is found by its name, and the first of two counts") {
  const auto parsed = parse_media_type("multipart/form-data; A=1; boundary=x; BOUNDARY=y");
  REQUIRE(parsed.has_value());
  CHECK(parsed->parameter("boundary") == "x");
  CHECK(parsed->parameter("a") == "1");
  CHECK(parsed->parameter("b") == std::nullopt);
}

TEST_CASE("what is no media type is refused") {
  for (const std::string_view text : {"",
                                      "text",
                                      "text/",
                                      "/html",
                                      "/",
                                      "text//html",
                                      "text/html/x",
                                      "text /html",
                                      "text/ html",
                                      " text/html",
                                      "text/html ",
                                      "text/html, text/plain",
                                      "text/html x",
                                      "text/html charset=utf-8",
                                      "text/html;charset",
                                      "text/html;charset=",
                                      "text/html;=utf-8",
                                      "text/html;charset =utf-8",
                                      "text/html;charset= utf-8",
                                      "text/html;charset=\"utf-8",
                                      "text/html;charset=\"utf-8\\",
                                      "text/html;charset=\"utf-8\\\"",
                                      "text/html;charset=utf-8\"",
                                      "text/html;charset=\"utf-8\"x",
                                      "text/html;charset=\"a\"\"b\"",
                                      "text/html;charset=a b",
                                      "text/html;charset=a/b",
                                      "text/html;charset=\xc3\xa9",
                                      "t\xc3\xa9xt/html",
                                      "text/html;\"a\"",
                                      "text/html;a=\"\x01\"",
                                      "text/html;a=\"\x7f\"",
                                      "text/html;a=\"\\\n\"",
                                      "text/html\r\n",
                                      "te(x)t/html"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_media_type(text).has_value());
  }
  CHECK_FALSE(parse_media_type(std::string("a/b;c=\"\0\"", 9)).has_value());
  CHECK_FALSE(parse_media_type("a/b;c=\"" + std::string(100'000, '\\')).has_value());
  CHECK(parse_media_type("a/b" + std::string(100'000, ';')).has_value());
}

TEST_CASE("the quality of a type is that of the most specific range") {
  // RFC 9110 12.5.1, the last example but for its ranges with parameters.
  constexpr std::string_view kAccept = "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, */*;q=0.5";
  CHECK(accept_quality(kAccept, "text/plain") == 700);
  CHECK(accept_quality(kAccept, "text/html") == 300);
  CHECK(accept_quality(kAccept, "image/jpeg") == 500);
  constexpr std::string_view kAudio = "audio/*; q=0.2, audio/basic";
  CHECK(accept_quality(kAudio, "audio/basic") == 1000);
  CHECK(accept_quality(kAudio, "audio/ogg") == 200);
  CHECK(accept_quality(kAudio, "text/html") == 0);
  constexpr std::string_view kElaborate = "text/plain; q=0.5, text/html, text/x-dvi; q=0.8, text/x-c";
  CHECK(accept_quality(kElaborate, "text/plain") == 500);
  CHECK(accept_quality(kElaborate, "text/x-dvi") == 800);
  CHECK(accept_quality(kElaborate, "text/x-c") == 1000);
  // The order does not count, nor does a better quality of a wider range.
  CHECK(accept_quality("*/*, text/*;q=0.5, text/html;q=0.1", "text/html") == 100);
  CHECK(accept_quality("text/html;q=0, */*", "text/html") == 0);
  CHECK(accept_quality("text/html;q=0.1, text/html;q=0.2, text/html;q=0", "text/html") == 200);
}

TEST_CASE("without Accept anything is accepted") {
  CHECK(accept_quality("", "text/html") == 1000);
  CHECK(accept_quality(" \t", "text/html") == 1000);
  CHECK_FALSE(accepts_by_name("", "text/html"));
}

TEST_CASE("types, ranges and q have no case") {
  CHECK(accept_quality("TEXT/HTML;Q=0.5", "text/html") == 500);
  CHECK(accept_quality("Text/*;q=0.5", "text/html") == 500);
  CHECK(accept_quality("text/html", "Text/Html") == 1000);
}

TEST_CASE("qualities have up to three digits") {
  const std::vector<std::pair<std::string, int>> cases = {{"1", 1000},  {"1.", 1000}, {"1.0", 1000}, {"1.000", 1000},
                                                          {"0", 0},     {"0.", 0},    {"0.0", 0},    {"0.5", 500},
                                                          {"0.05", 50}, {"0.001", 1}, {"0.999", 999}};
  for (const auto& [text, quality] : cases) {
    CAPTURE(text);
    CHECK(accept_quality("text/html;q=" + text, "text/html") == quality);
    CHECK(accept_quality("text/html ; q=\"" + text + "\"", "text/html") == quality);
  }
}

TEST_CASE("elements of Accept that do not parse are skipped") {
  for (const std::string_view broken :
       {"", "text", "*", "*;q=.2", "text/html;q=2", "text/html;q=1.001", "text/html;q=0.1234", "text/html;q=.5",
        "text/html;q=-1", "text/html;q=", "text/html;q", "text/html;q=1e0", "text/html;q=0,5", "text/html q=1",
        "text/html;q=\"1", "\"text/html\"", "text/html;q=x"}) {
    CAPTURE(broken);
    const std::string list = "text/html;q=0.25, " + std::string(broken);
    CHECK(accept_quality(list, "text/html") == 250);
    CHECK(accepts_by_name(list, "text/html"));
  }
  CHECK(accept_quality("text, , text/html;q=0.25", "text/html") == 250);
  CHECK(accept_quality("garbage", "text/html") == 0);
  CHECK(accept_quality(",", "text/html") == 0);
}

TEST_CASE("a range with parameters describes none of our types") {
  CHECK(accept_quality("text/html;level=1", "text/html") == 0);
  CHECK(accept_quality("text/html;level=1;q=0.5, text/*;q=0.1", "text/html") == 100);
  CHECK(accept_quality("text/html;q=0.5;level=1", "text/html") == 0);
  CHECK(accept_quality("a/b;c=\"text/html, text/html\", text/html;q=0.5", "text/html") == 500);
  CHECK(accept_quality("a/b;c=\"\\\", text/html\"", "text/html") == 0);
}

TEST_CASE("a wildcard of subtypes is one of whole types") {
  CHECK(accept_quality("te/*", "text/html") == 0);
  CHECK(accept_quality("text/ht*", "text/html") == 0);
  CHECK(accept_quality("*/html", "text/html") == 0);
  CHECK(accept_quality("text/*", "textual/html") == 0);
}

TEST_CASE("a type is accepted by name when it is named with a quality above 0") {
  CHECK(accepts_by_name("application/json", "application/json"));
  CHECK(accepts_by_name("text/html, Application/JSON;q=0.001", "application/json"));
  CHECK_FALSE(accepts_by_name("*/*", "application/json"));
  CHECK_FALSE(accepts_by_name("application/*, */*", "application/json"));
  CHECK_FALSE(accepts_by_name("application/json;q=0, */*", "application/json"));
  CHECK_FALSE(accepts_by_name("application/json;version=2", "application/json"));
  CHECK_FALSE(accepts_by_name("application/jsonp", "application/json"));
  CHECK_FALSE(accepts_by_name("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json"));
}

TEST_CASE("an Accept of many elements is read once") {
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += "a/b;c=\"\\\"\",";
  CHECK(accept_quality(many + "text/html;q=0.5", "text/html") == 500);
  CHECK(accept_quality(std::string(100'000, '"') + ",text/html", "text/html") == 1000);
  CHECK(accept_quality(std::string(100'001, '"') + ",text/html", "text/html") == 0);
}

TEST_CASE("a type is itself in any case and with any parameters") {
  for (const char* const text :
       {"application/x", "Application/X", "application/x; charset=utf-8", "APPLICATION/X;a=b"}) {
    CHECK(is_type(text, "application/x"));
  }
  for (const char* const text : {"", "application/xy", "application/", "text/x", "x"}) {
    CHECK_FALSE(is_type(text, "application/x"));
  }
}

}  // namespace ringdrop::proto
