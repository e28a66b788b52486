#include "proto/file_name.h"

#include <doctest/doctest.h>

using namespace std::string_literals;

namespace ringdrop::proto {
namespace {

const std::string kFffd = "\xef\xbf\xbd";

}  // namespace

TEST_CASE("a name is data: whatever it says, it is kept") {
  for (const std::string& name : {"report.pdf"s, "a\"\r\nSet-Cookie: x"s, "a\\b"s, "CON"s,
                                  "\xe2\x80\xae"
                                  "fdp.exe"s,
                                  "\xff\xfe"s, " "s, "..."s, std::string(255, 'a')}) {
    CAPTURE(name);
    CHECK(accept_file_name(name) == name);
  }
}

TEST_CASE("names that name nothing are no name") {
  CHECK(accept_file_name("") == "");
  CHECK(accept_file_name(".") == "");
  CHECK(accept_file_name("..") == "");
}

TEST_CASE("a long name, NUL and the slash are refused") {
  for (const std::string& name : {std::string(256, 'a'), "a\0b"s, "\0"s, "a/b"s, "/"s, "../../etc/passwd"s}) {
    const auto accepted = accept_file_name(name);
    CAPTURE(name);
    REQUIRE_FALSE(accepted);
    CHECK(accepted.error().status == 400);
    CHECK(accepted.error().code == "bad_name"s);
  }
}

TEST_CASE("the ASCII form replaces what a quoted string or a log line cannot carry") {
  CHECK(ascii_file_name("") == "");
  CHECK(ascii_file_name("a b~!.txt") == "a b~!.txt");
  CHECK(ascii_file_name("a\"\\\r\n\t\x7f\x1b\0z"s) == "a________z");
  CHECK(ascii_file_name("\xc3\xa9.txt") == "__.txt");
}

TEST_CASE("valid UTF-8 stays as it is") {
  for (const std::string& name :
       {""s, "a\x7f"s, "\xc2\x80"s, "\xdf\xbf"s, "\xe0\xa0\x80"s, "\xed\x9f\xbf"s, "\xee\x80\x80"s, "\xef\xbf\xbf"s,
        "\xf0\x90\x80\x80"s, "\xf4\x8f\xbf\xbf"s, "\xe2\x80\xae"s}) {
    CHECK(utf8_file_name(name) == name);
  }
}

TEST_CASE("each maximal invalid sequence becomes one replacement character") {
  const auto repeated = [](int n) {
    std::string text;
    for (int i = 0; i < n; ++i) text += kFffd;
    return text;
  };
  CHECK(utf8_file_name("\x80") == repeated(1));
  CHECK(utf8_file_name("a\xff"
                       "b") == "a" + kFffd + "b");
  CHECK(utf8_file_name("\xc0\xaf") == repeated(2));          // overlong '/'
  CHECK(utf8_file_name("\xe0\x80\xaf") == repeated(3));      // overlong '/'
  CHECK(utf8_file_name("\xf0\x80\x80\xaf") == repeated(4));  // overlong '/'
  CHECK(utf8_file_name("\xed\xa0\x80") == repeated(3));      // surrogate
  CHECK(utf8_file_name("\xf4\x90\x80\x80") == repeated(4));  // above U+10FFFF
  CHECK(utf8_file_name("\xe2\x82") == repeated(1));          // cut short
  CHECK(utf8_file_name("\xf0\x9f\x98") == repeated(1));      // cut short
  CHECK(utf8_file_name("\xf0\x9f\x98z") == kFffd + "z");
  // Unicode 3.9, table 3-11
  CHECK(utf8_file_name("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41") == repeated(4) + "A");
}

}  // namespace ringdrop::proto
