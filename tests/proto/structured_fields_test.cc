#include "proto/structured_fields.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::string_literals;

namespace ringdrop::proto {
namespace {

using Parameters = std::vector<std::pair<std::string, SfBareItem>>;

// The bare item of an Item without parameters; what is none fails the test.
SfBareItem bare(std::string_view text) {
  CAPTURE(text);
  const auto item = parse_sf_item(text);
  REQUIRE(item.has_value());
  CHECK(item->parameters.empty());
  return item->value;
}

void check_no_items(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    CAPTURE(text);
    CHECK_FALSE(parse_sf_item(text).has_value());
    CHECK_FALSE(parse_sf_dictionary("a=" + text).has_value());
    CHECK_FALSE(parse_sf_dictionary("a;b=" + text).has_value());
    CHECK_FALSE(parse_sf_dictionary("a=(" + text + ")").has_value());
  }
}

SfDictionary dictionary(std::string_view text) {
  CAPTURE(text);
  const auto parsed = parse_sf_dictionary(text);
  REQUIRE(parsed.has_value());
  return *parsed;
}

SfBareItem integer(int64_t number) {
  return number;
}

// The values of an inner list, and of those of its items that have parameters, these.
void check_inner_list(const SfMember& member, const std::vector<SfBareItem>& values, const Parameters& parameters) {
  const auto* const items = std::get_if<std::vector<SfItem>>(&member.value);
  REQUIRE(items != nullptr);
  REQUIRE(items->size() == values.size());
  for (std::size_t i = 0; i < values.size(); ++i) CHECK(((*items)[i].value == values[i]));
  CHECK((member.inner_list_parameters == parameters));
}

std::vector<std::string> keys(const SfDictionary& members) {
  std::vector<std::string> names;
  for (const auto& [key, member] : members) names.push_back(key);
  return names;
}

}  // namespace

TEST_CASE("integers have up to 15 digits") {
  for (const auto& [text, number] :
       std::vector<std::pair<std::string, int64_t>>{{"42", 42},
                                                    {"0", 0},
                                                    {"-0", 0},
                                                    {"-42", -42},
                                                    {"042", 42},
                                                    {"-0042", -42},
                                                    {"000000000000001", 1},
                                                    {"999999999999999", 999'999'999'999'999},
                                                    {"-999999999999999", -999'999'999'999'999},
                                                    {"  42  ", 42}}) {
    CAPTURE(text);
    CHECK((bare(text) == integer(number)));
  }
  check_no_items({"-", "--0", "+1", "- 1", "-a", "4-2", "1e3", "1000000000000000", "-1000000000000000",
                  "0000000000000001", std::string(100'000, '9'), "\t42"});
}

TEST_CASE("decimals have up to 12 digits, a point and up to three digits") {
  CHECK((bare("1.23") == SfBareItem(SfDecimal{1230})));
  CHECK((bare("4.5") == SfBareItem(SfDecimal{4500})));
  CHECK((bare("-1.23") == SfBareItem(SfDecimal{-1230})));
  CHECK((bare("0.001") == SfBareItem(SfDecimal{1})));
  CHECK((bare("-0.0") == SfBareItem(SfDecimal{0})));
  CHECK((bare("00.1") == SfBareItem(SfDecimal{100})));
  CHECK((bare("999999999999.999") == SfBareItem(SfDecimal{999'999'999'999'999})));
  check_no_items({"1.", ".1", "-.1", "1.5.4", "1..4", "1.0000", "1000000000000.0", "1.-1", "1. 2", "1.a"});
}

TEST_CASE("strings are visible ASCII in quotes, with two escapes") {
  CHECK((bare("\"hello world\"") == SfBareItem(SfString{"hello world"})));
  CHECK((bare("\"\"") == SfBareItem(SfString{""})));
  CHECK((bare("\"b \\\"a\\\" \\\\\"") == SfBareItem(SfString{"b \"a\" \\"})));
  check_no_items({"\"", "\"foo", "\"foo\\", "\"foo\\\"", "\"\\n\"", "\"\\,\"", "\"f\xc3\xbc\"", "\"\t\"", "\"\n\"",
                  "\"\x7f\"", "\"\0\""s, "\"a\"b", "'a'", "\"\\\""});
}

TEST_CASE("tokens begin with a letter or an asterisk") {
  for (const std::string text : {"foo", "*foo123/456", "a_b-c.d3:f%00/*", "A", "*", "a:b", "a!#$%&'*+-.^_`|~"}) {
    CHECK((bare(text) == SfBareItem(SfToken{text})));
  }
  check_no_items({"!a", "/a", ":a", "_a", "a\"b", "a@b", "a{", "f\xc3\xbc", "a\\b"});
}

TEST_CASE("byte sequences are base64 between colons") {
  CHECK((bare(":cHJldGVuZCB0aGlzIGlzIGJpbmFyeSBjb250ZW50Lg==:") ==
         SfBareItem(SfBytes{"pretend this is binary content."})));
  CHECK((bare("::") == SfBareItem(SfBytes{""})));
  CHECK((bare(":aGVsbG8=:") == SfBareItem(SfBytes{"hello"})));
  // RFC 9651 4.2.7: neither missing padding nor the bits behind the last byte should fail.
  CHECK((bare(":aGVsbG8:") == SfBareItem(SfBytes{"hello"})));
  CHECK((bare(":iQ:") == SfBareItem(SfBytes{"\x89"})));
  CHECK((bare(":iZ==:") == SfBareItem(SfBytes{"\x89"})));
  CHECK((bare(":Zm9:") == SfBareItem(SfBytes{"fo"})));
  check_no_items({":", ":aGVsbG8=", ":=aGVsbG8=:", ":aGVsbG8.:", ":aGVsb G8=:", ":aGVsbG!8=:", ":aGVsbG8=!:", ":_-Ah:",
                  ":a:", ":=:", ":====:", ":aGVsbG8==:", ":Zg==Zg==:", ":\n:", ":aGVsbG8=::", ":\xc3:"});
}

TEST_CASE("booleans are ?0 and ?1") {
  CHECK((bare("?1") == SfBareItem(true)));
  CHECK((bare("?0") == SfBareItem(false)));
  check_no_items({"?", "?2", "??1", "? 1", "?T", "?-1", "?10", "?0.0", "true?"});
}

TEST_CASE("dates are an integer behind an at sign") {
  CHECK((bare("@1659578233") == SfBareItem(SfDate{1'659'578'233})));
  CHECK((bare("@0") == SfBareItem(SfDate{0})));
  CHECK((bare("@-1659578233") == SfBareItem(SfDate{-1'659'578'233})));
  check_no_items({"@", "@-", "@1659578233.12", "@ 1", "@@1", "@a", "@\"1\"", "@1000000000000000"});
}

TEST_CASE("display strings are UTF-8, percent-encoded in lower case") {
  CHECK((bare("%\"This is intended for display to %c3%bcsers.\"") ==
         SfBareItem(SfDisplayString{"This is intended for display to \xc3\xbcsers."})));
  CHECK((bare("%\"\"") == SfBareItem(SfDisplayString{""})));
  CHECK((bare("%\"%22%25\\\"") == SfBareItem(SfDisplayString{"\"%\\"})));
  check_no_items({"%", "%a", "%\"", "%\"a", "% \"a\"", "%\"%\"", "%\"%a\"", "%\"%C3%BC\"", "%\"%c3\"", "%\"%ff\"",
                  "%\"%ed%a0%80\"", "%\"%c0%80\"", "%\"%zz\"", "%\"\xc3\xbc\"", "%\"\t\"", "%\"\x7f\"", "%\"%c3%b\"",
                  "%\"%c", "%'a'"});
}

TEST_CASE("an item has parameters, without a value they are true") {
  const auto item = parse_sf_item("1; a; b=?0");
  REQUIRE(item.has_value());
  CHECK((item->value == integer(1)));
  CHECK((item->parameters == Parameters{{"a", true}, {"b", false}}));
  const auto token = parse_sf_item("5;  foo=bar;*x_-.*=\"y;z\";k=:aGk=:");
  REQUIRE(token.has_value());
  CHECK((token->parameters == Parameters{{"foo", SfToken{"bar"}}, {"*x_-.*", SfString{"y;z"}}, {"k", SfBytes{"hi"}}}));
}

TEST_CASE("a repeated parameter has the last value at the first place") {
  const auto item = parse_sf_item("a;x=1;y=2;x=3;x");
  REQUIRE(item.has_value());
  CHECK((item->parameters == Parameters{{"x", true}, {"y", integer(2)}}));
}

TEST_CASE("parameters that do not parse fail the item") {
  for (const std::string_view text : {"1;", "1; ", "1 ;a", "1;a =1", "1;a= 1", "1;a=", "1;A=1", "1;=1", "1;1=1",
                                      "1;a=(1)", "1;a;;b", "1;\ta", "1;a;", "1;-a", "1;a=1,", "1;a,b"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_sf_item(text).has_value());
  }
}

TEST_CASE("an item is one, and not empty") {
  for (const std::string_view text : {"", "  ", ",", "4 2", "42\t", "\"a\" \"b\"", "1,", "1, 2", "(1 2)", "a=1",
                                      "\xef\xbb\xbf"
                                      "1"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_sf_item(text).has_value());
  }
  CHECK_FALSE(parse_sf_item("1\0"s).has_value());
}

TEST_CASE("a dictionary has items by key, and true where there is no value") {
  const SfDictionary pies = dictionary("en=\"Applepie\", da=:w4ZibGV0w6ZydGU=:");
  CHECK(keys(pies) == std::vector<std::string>{"en", "da"});
  CHECK(sf_value<SfString>(pies[0].second)->text == "Applepie");
  CHECK(sf_value<SfBytes>(pies[1].second)->bytes ==
        "\xc3\x86"
        "blet\xc3\xa6rte");
  CHECK(sf_value<SfBytes>(pies[0].second) == nullptr);

  const SfDictionary booleans = dictionary("a=?0, b, c; foo=bar");
  CHECK(keys(booleans) == std::vector<std::string>{"a", "b", "c"});
  CHECK_FALSE(*sf_value<bool>(booleans[0].second));
  CHECK(*sf_value<bool>(booleans[1].second));
  CHECK(*sf_value<bool>(booleans[2].second));
  CHECK((std::get<SfItem>(booleans[2].second.value).parameters == Parameters{{"foo", SfToken{"bar"}}}));

  const SfDictionary digests = dictionary("sha-256=:aGk=:,\t sha-512=:aG8=:\t,unixsum=1");
  CHECK(keys(digests) == std::vector<std::string>{"sha-256", "sha-512", "unixsum"});
}

TEST_CASE("a member of a dictionary may be an inner list") {
  const SfDictionary rating = dictionary("rating=1.5, feelings=(joy sadness)");
  CHECK(sf_value<SfDecimal>(rating[0].second)->thousandths == 1500);
  check_inner_list(rating[1].second, {SfToken{"joy"}, SfToken{"sadness"}}, {});
  CHECK(sf_value<SfToken>(rating[1].second) == nullptr);

  const SfDictionary mixed = dictionary("a=(1 2), b=3, c=4;aa=bb, d=(5 6);valid");
  CHECK(keys(mixed) == std::vector<std::string>{"a", "b", "c", "d"});
  check_inner_list(mixed[0].second, {integer(1), integer(2)}, {});
  CHECK((std::get<SfItem>(mixed[2].second.value).parameters == Parameters{{"aa", SfToken{"bb"}}}));
  check_inner_list(mixed[3].second, {integer(5), integer(6)}, {{"valid", true}});

  const SfDictionary nested = dictionary("x=(  \"foo\"; a=1;b=2   bar );lvl=5, y=(), z=( )");
  check_inner_list(nested[0].second, {SfString{"foo"}, SfToken{"bar"}}, {{"lvl", integer(5)}});
  CHECK((std::get<std::vector<SfItem>>(nested[0].second.value)[0].parameters ==
         Parameters{{"a", integer(1)}, {"b", integer(2)}}));
  check_inner_list(nested[1].second, {}, {});
  check_inner_list(nested[2].second, {}, {});
}

TEST_CASE("a repeated key of a dictionary has the last value at the first place") {
  const SfDictionary members = dictionary("a=1,b=2,a=3,b=(4)");
  CHECK(keys(members) == std::vector<std::string>{"a", "b"});
  CHECK(*sf_value<int64_t>(members[0].second) == 3);
  check_inner_list(members[1].second, {integer(4)}, {});
}

TEST_CASE("an empty dictionary is one") {
  CHECK(dictionary("").empty());
  CHECK(dictionary("   ").empty());
}

TEST_CASE("what does not parse fails the whole dictionary") {
  for (const std::string_view text : {",",          "a=1,",
                                      "a=1, ",      "a=1,,b=2",
                                      ",a=1",       "a=1 b=2",
                                      "a=1;",       "a=",
                                      "a= 1",       "a =1",
                                      "=1",         "A=1",
                                      "1=1",        "a=1,B=2",
                                      "a==1",       "a=,b=1",
                                      "\ta=1",      "a=(",
                                      "a=(1",       "a=(1 ",
                                      "a=(1,2)",    "a=(1 2",
                                      "a=(1))",     "a=((1))",
                                      "a=(1\t2)",   "a=(\"1\"\"2\")",
                                      "a=()b",      "a=(1 2)3",
                                      "a=( ;b)",    "a=);b",
                                      "a(1)",       "a=(1);",
                                      "a=1\n",      "\xc3\xa4=1",
                                      "a=\xc3\xa4", "a;b=1;",
                                      "a=1;b=(1)",  "(1)",
                                      "\"a\"=1",    "-a=1",
                                      "_a=1"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_sf_dictionary(text).has_value());
  }
}

TEST_CASE("a dictionary of many keys is read once") {
  std::string many;
  for (int i = 0; i < 20'000; ++i) many += "k" + std::to_string(i) + "=1, ";
  CHECK(dictionary(many + "k0=2").size() == 20'000);
  std::string parameters = "a";
  for (int i = 0; i < 20'000; ++i) parameters += ";k" + std::to_string(i);
  CHECK(parse_sf_item(parameters)->parameters.size() == 20'000);
  CHECK_FALSE(parse_sf_dictionary("a=" + std::string(100'000, '(')).has_value());
}

TEST_CASE("bytes are written as they are read") {
  CHECK(format_sf_bytes("hello") == ":aGVsbG8=:");
  CHECK(format_sf_bytes("") == "::");
  CHECK((bare(format_sf_bytes("\0\xff:"s)) == SfBareItem(SfBytes{"\0\xff:"s})));
}

}  // namespace ringdrop::proto
