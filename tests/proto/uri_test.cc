#include "proto/uri.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace std::string_literals;

namespace ringdrop::proto {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;
using Segments = std::vector<std::string_view>;

}  // namespace

TEST_CASE("percent-encoding is decoded byte by byte") {
  CHECK(percent_decode("") == "");
  CHECK(percent_decode("a+b%20c") == "a+b c");
  CHECK(percent_decode("%41%7a%7A%2F") == "Azz/");
  CHECK(percent_decode("%00%ff%C0%AF") == "\0\xff\xc0\xaf"s);
  CHECK(percent_decode("%2541") == "%41");
  for (const std::string_view broken : {"%", "%4", "a%", "%4g", "%g4", "%%41", "% 41", "%-1", "%+1", "%0x"}) {
    CAPTURE(broken);
    CHECK(percent_decode(broken) == std::nullopt);
  }
}

TEST_CASE("encoding leaves the unreserved characters alone, and decodes to the same bytes") {
  CHECK(percent_encode("AZaz09-._~") == "AZaz09-._~");
  CHECK(percent_encode(" /?#%+\"\xc3\xa9\0"s) == "%20%2F%3F%23%25%2B%22%C3%A9%00");
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  CHECK(percent_decode(percent_encode(all)) == all);
}

TEST_CASE("a path is split at its slashes and stays encoded") {
  CHECK(path_segments("/") == Segments{""});
  CHECK(path_segments("/a/b") == Segments{"a", "b"});
  CHECK(path_segments("/a/") == Segments{"a", ""});
  CHECK(path_segments("//a") == Segments{"", "a"});
  CHECK(path_segments("/a%2Fb/..") == Segments{"a%2Fb", ".."});
  CHECK(path_segments("*").empty());
  CHECK(path_segments("").empty());
}

TEST_CASE("a query is decoded into pairs") {
  CHECK(parse_query("") == Pairs{});
  CHECK(parse_query("a=1&b=2") == Pairs{{"a", "1"}, {"b", "2"}});
  CHECK(parse_query("a+b=c+d%2B%26") == Pairs{{"a b", "c d+&"}});
  CHECK(parse_query("a&=b&c==d&&") == Pairs{{"a", ""}, {"", "b"}, {"c", "=d"}});
  CHECK(parse_query("a=1&a=2") == Pairs{{"a", "1"}, {"a", "2"}});
  CHECK(parse_query("a=%") == std::nullopt);
  CHECK(parse_query("%zz=a") == std::nullopt);
}

TEST_CASE("a query of too many pairs is refused") {
  CHECK(parse_query("a&b&c", 3)->size() == 3);
  CHECK(parse_query("a&b&c", 2) == std::nullopt);
  CHECK(parse_query("&&&a&&", 1)->size() == 1);
  std::string query;
  for (int i = 0; i < 65; ++i) query += "a=b&";
  CHECK(parse_query(query) == std::nullopt);
}

TEST_CASE("hosts: names, IPv4, IPv6, with and without a port") {
  for (const std::string_view host :
       {"h", "example.com", "EXAMPLE.com.", "a_b-c.d~e", "a%20b", "127.0.0.1", "127.0.0.1:8080", "h:", "h:0", "h:65535",
        "h:00080", "[::1]", "[::1]:443", "[::]", "[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7::]", "[::2:3:4:5:6:7:8]",
        "[2001:DB8::a.b]"}) {
    CAPTURE(host);
    CHECK(is_valid_host(host) == (host != "[2001:DB8::a.b]"));
  }
  CHECK(is_valid_host("[::ffff:192.0.2.1]"));
  CHECK(is_valid_host("[1:2:3:4:5:6:192.0.2.1]"));
}

TEST_CASE("what is no host with an optional port is refused") {
  for (const std::string_view host : {"",
                                      ":80",
                                      "a b",
                                      "a,b",
                                      "a/b",
                                      "a@b",
                                      "u:p@h",
                                      "a?b",
                                      "a#b",
                                      "a\\b",
                                      "a\"b",
                                      "a<b",
                                      "h:80:80",
                                      "h:65536",
                                      "h:-1",
                                      "h:+1",
                                      "h:8o",
                                      "h:80 ",
                                      " h",
                                      "%",
                                      "%4",
                                      "a%zz",
                                      "\xc3\xa9",
                                      "[",
                                      "[]",
                                      "[]:80",
                                      "[::1",
                                      "::1",
                                      "[::1]a",
                                      "[::1]80",
                                      "[1:2:3:4:5:6:7]",
                                      "[1:2:3:4:5:6:7:8:9]",
                                      "[1:2:3:4:5:6:7:8::]",
                                      "[1::2::3]",
                                      "[:::]",
                                      "[:1]",
                                      "[1:]",
                                      "[12345::]",
                                      "[g::]",
                                      "[::1%25eth0]",
                                      "[v1.a]",
                                      "[::256.0.0.1]",
                                      "[::1.2.3]",
                                      "[::1.2.3.4.5]",
                                      "[::01.2.3.4]",
                                      "[::1.2.3.4:5]",
                                      "[1.2.3.4::]",
                                      "[1:2:3:4:5:6:7:1.2.3.4]",
                                      "[::1.2.3.+4]"}) {
    CAPTURE(host);
    CHECK_FALSE(is_valid_host(host));
  }
  CHECK_FALSE(is_valid_host("a\0b"s));
}

}  // namespace ringdrop::proto
