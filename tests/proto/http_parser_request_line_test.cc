#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "proto/http_parser.h"
#include "tests/proto/exchange.h"

using namespace std::string_literals;

namespace ringdrop::proto {
namespace {

std::string target(std::string_view target) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n\r\n";
}

}  // namespace

TEST_CASE("each method is recognised") {
  const std::vector<std::pair<std::string, Method>> rows = {
      {"GET", Method::get},     {"HEAD", Method::head},       {"PUT", Method::put},
      {"POST", Method::post},   {"PATCH", Method::patch},     {"DELETE", Method::delete_},
      {"TRACE", Method::trace}, {"OPTIONS", Method::options}, {"PROPFIND", Method::other},
      {"COPY", Method::other},  {"M-SEARCH", Method::other},
  };
  for (const auto& [text, method] : rows) {
    CAPTURE(text);
    HttpParser parser;
    const std::string input = text + " / HTTP/1.1\r\nHost: h\r\n\r\n";
    CHECK(parser.parse_head(as_bytes(input)) == input.size());
    REQUIRE(parser.head_complete());
    CHECK(parser.head().method == method);
    CHECK(parser.head().method_text == text);
  }
}

TEST_CASE("an unknown method is answered with 501 and a malformed one with 400") {
  check_refused({
      {"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", "501 unsupported_method"},
      {"get / HTTP/1.1\r\nHost: h\r\n\r\n", "501 unsupported_method"},
      {"GETS / HTTP/1.1\r\nHost: h\r\n\r\n", "501 unsupported_method"},
      {"SETUP / HTTP/1.1\r\nHost: h\r\n\r\n", "501 unsupported_method"},
      {std::string(100'000, 'A') + " / HTTP/1.1\r\n\r\n", "501 unsupported_method"},
      {"G(T / HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"(GET / HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {" GET / HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"\tGET / HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"GET\r\n\r\n", "400 bad_request"},
      {"\x16\x03\x01\x02"s, "400 bad_request"},  // TLS to the plain port
      {"\0"s, "400 bad_request"},
  });
}

TEST_CASE("CONNECT is left to the server, with its target checked and without content") {
  check_accepted({
      {"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", "CONNECT  host=example.com:443"},
      {"CONNECT [::1]:443 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "CONNECT  host=[::1]:443 length=0"},
  });
  check_refused({
      {"CONNECT example.com HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"CONNECT [::1] HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"CONNECT / HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"CONNECT u@h:1 HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"CONNECT h:1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "400 bad_request"},
      {"CONNECT h:1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n", "400 bad_request"},
  });
}

TEST_CASE("HTTP/1.x is spoken, anything else is refused") {
  check_accepted({
      {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET / host=h"},
      {"GET / HTTP/1.0\r\n\r\n", "GET / close http/1.0"},
      {"GET / HTTP/1.0\r\nHost: h\r\n\r\n", "GET / host=h close http/1.0"},
      {"GET / HTTP/1.2\r\nHost: h\r\n\r\n", "GET / host=h"},
      {"GET / HTTP/1.9\r\nHost: h\r\n\r\n", "GET / host=h"},
  });
  check_refused({
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 unsupported_version"},
      {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", "505 unsupported_version"},
      {"GET / HTTP/9.9\r\nHost: h\r\n\r\n", "505 unsupported_version"},
      {"GET / HTTP/0.9\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"PRI * HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"GET /\r\n\r\n", "400 bad_request"},
      {"GET / \r\n\r\n", "400 bad_request"},
      {"GET / HTTP/1.10\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"GET / HTTP/11.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"GET / HTTP/1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"GET / HTTP/1.\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"GET / HTTP/1,1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"GET / http/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", "400 bad_request"},
      {"GET / HTTP/1.1 x\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"GET / RTSP/1.0\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"SOURCE / ICE/1.0\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"GET /  HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"GET / a HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"HTTP/1.1 200 OK\r\n\r\n", "501 unsupported_method"},
  });
}

TEST_CASE("the target is taken apart in each of its forms") {
  check_accepted({
      {target("/"), "GET / host=h"},
      {target("/a/b%20c?d=e&f"), "GET /a/b%20c?d=e&f host=h"},
      {target("/a?b?c"), "GET /a?b?c host=h"},
      {target("/?"), "GET / host=h"},
      {target("//"), "GET // host=h"},
      {target("/../../etc/passwd"), "GET /../../etc/passwd host=h"},
      {target("/%2e%2e%2f..%5c%00%c0%af"), "GET /%2e%2e%2f..%5c%00%c0%af host=h"},
      {target("http://other:81/a?b"), "GET /a?b host=other:81"},
      {target("HTTPS://other"), "GET / host=other"},
      {target("http://other?q"), "GET /?q host=other"},
      {target("http://[::1]:80/"), "GET / host=[::1]:80"},
      {"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "OPTIONS * host=h"},
      {"OPTIONS http://other:81 HTTP/1.1\r\nHost: h\r\n\r\n", "OPTIONS * host=other:81"},
      {"OPTIONS http://other/ HTTP/1.1\r\nHost: h\r\n\r\n", "OPTIONS / host=other"},
  });
  check_refused({
      {target("*"), "400 bad_request"},
      {"OPTIONS *a HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {target("a"), "400 bad_request"},
      {target("ftp://h/"), "400 bad_request"},
      {target("http:/h/"), "400 bad_request"},
      {target("http:///a"), "400 bad_host"},
      {target("http://u:p@h/"), "400 bad_host"},
      {target("http://h:99999/"), "400 bad_host"},
      {target("/a#b"), "400 bad_request"},
      {target("/\xc3\xa9"), "400 bad_request"},
      {target("/\x7f"), "400 bad_request"},
      {target("/\x01"), "400 bad_request"},
      {target("/\t"), "400 bad_request"},
      {target("/\0"s), "400 bad_request"},
      {target("/?\xff"), "400 bad_request"},
  });
}

TEST_CASE("some empty lines before a request are skipped and do not begin it") {
  check_accepted({
      {"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET / host=h"},
      {"\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET / host=h"},
  });
  check_refused({
      {"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"\r\rGET / HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"\rGET / HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
  });
  CHECK_FALSE(run_every_split("").head_started);
  CHECK_FALSE(run_every_split("\r\n\r").head_started);
  CHECK(run_every_split("\r\nG").head_started);
}

TEST_CASE("a target over its limit is answered with 414 while it still arrives") {
  const HttpParserLimits limits;
  const std::string fits = "/" + std::string(limits.target_bytes - 1, 'a');
  CHECK(run_every_split(target(fits)).refused == "");
  CHECK(run_every_split(target(fits + "a")).refused == "414 uri_too_long");
  CHECK(run_every_split("GET " + fits + "a").refused == "414 uri_too_long");
  CHECK(run_every_split("GET " + fits).refused == "");
  CHECK(run_every_split(target("/" + std::string(100'000, 'a'))).refused == "414 uri_too_long");
  CHECK(run_every_split(target("/?" + std::string(100'000, 'a'))).refused == "414 uri_too_long");
}

TEST_CASE("a target over its limit is answered with 414 also when the head is over its own") {
  HttpParserLimits limits;
  limits.target_bytes = 20;
  limits.head_bytes = 10;
  CHECK(run_every_split("GET /" + std::string(40, 'a'), limits).refused == "414 uri_too_long");
  CHECK(run_every_split("GET /" + std::string(10, 'a') + " HTTP/1.1\r\n\r\n", limits).refused ==
        "431 header_too_large");
}

}  // namespace ringdrop::proto
