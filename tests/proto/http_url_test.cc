#include "proto/http_url.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "proto/http_request.h"

namespace ringdrop::proto {

TEST_CASE("a URL is taken apart") {
  struct Row {
    std::string_view text;
    HttpUrl url;
  };
  const std::vector<Row> rows{
      {"http://example.org", {false, "example.org", 80, "example.org", "/"}},
      {"HTTPS://Example.ORG/", {true, "example.org", 443, "example.org", "/"}},
      {"https://example.org:8443/a/b%20c/", {true, "example.org", 8443, "example.org:8443", "/a/b%20c/"}},
      {"http://127.0.0.1:80", {false, "127.0.0.1", 80, "127.0.0.1", "/"}},
      {"https://h:80/", {true, "h", 80, "h:80", "/"}},
      {"http://[::1]:8080/x", {false, "::1", 8080, "[::1]:8080", "/x"}},
      {"http://[2001:DB8::1]", {false, "2001:db8::1", 80, "[2001:db8::1]", "/"}},
      {"http://h:/", {false, "h", 80, "h", "/"}},
  };
  for (const Row& row : rows) {
    CAPTURE(std::string(row.text));
    const auto url = parse_http_url(row.text);
    REQUIRE(url.has_value());
    CHECK(*url == row.url);
    CHECK(parse_http_url(format_http_url(*url)) == *url);
  }
}

TEST_CASE("what is no URL of a server is refused with a reason") {
  for (const std::string_view text : {"",
                                      "example.org",
                                      "ftp://example.org/",
                                      "http:/example.org",
                                      "http://",
                                      "https:///x",
                                      "http://h:0/",
                                      "http://h:65536/",
                                      "http://h:x/",
                                      "http://u@h/",
                                      "http://u:p@h/",
                                      "http://h/?q",
                                      "http://h/#f",
                                      "http://h?q",
                                      "http://h /",
                                      "http://h/\r\nX: y",
                                      "http://h/\xc3\xa9",
                                      "http://[::1/",
                                      "http://a,b/",
                                      "file:///etc/passwd"}) {
    CAPTURE(std::string(text));
    const auto url = parse_http_url(text);
    REQUIRE_FALSE(url.has_value());
    CHECK_FALSE(std::string(url.error()).empty());
  }
}

TEST_CASE("a location is followed on the same server only") {
  const HttpUrl server = parse_http_url("https://h:8443/prefix/").value();
  CHECK(same_origin_target(server, "/uploads/1?x=y") == "/uploads/1?x=y");
  CHECK(same_origin_target(server, "https://H:8443/uploads/1?x=y#z") == "/uploads/1?x=y");
  for (const std::string_view elsewhere :
       {"", "uploads/1", "//evil/uploads/1", "http://h:8443/uploads/1", "https://h/uploads/1", "https://evil:8443/",
        "https://u@h:8443/", "/a b", "/a\r\nX: y"}) {
    CAPTURE(std::string(elsewhere));
    CHECK(same_origin_target(server, elsewhere) == std::nullopt);
  }
}

TEST_CASE("a request head is its lines") {
  Fields fields;
  CHECK(format_request_head("HEAD", "/", fields) == "HEAD / HTTP/1.1\r\n\r\n");
  fields.add("Host", "h");
  fields.add("A", "b c");
  CHECK(format_request_head("PATCH", "/u?x", fields) == "PATCH /u?x HTTP/1.1\r\nHost: h\r\nA: b c\r\n\r\n");
  CHECK(is_field_value("a\tb \xc3\xa9"));
  CHECK_FALSE(is_field_value("a\r\nX: y"));
}

}  // namespace ringdrop::proto
