#include "proto/forwarded.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringdrop::proto {
namespace {

using Lines = std::vector<std::pair<std::string_view, std::string_view>>;

ForwardedOrigin origin(const Lines& lines) {
  Fields fields;
  for (const auto& [name, value] : lines) fields.add(name, value);
  return forwarded_origin(fields);
}

void check_origin(const Lines& lines, std::string_view scheme, std::string_view host) {
  const ForwardedOrigin told = origin(lines);
  CHECK(told.scheme == scheme);
  CHECK(told.host == host);
}

void check_forwarded(std::string_view value, std::string_view scheme, std::string_view host) {
  CAPTURE(value);
  check_origin({{"Forwarded", value}}, scheme, host);
}

}  // namespace

TEST_CASE("without fields of a proxy nothing is told") {
  check_origin({}, "", "");
  check_origin({{"Host", "h"}, {"X-Forwarded-For", "192.0.2.1"}, {"X-Forwarded-Server", "h"}}, "", "");
}

TEST_CASE("the examples of RFC 7239") {
  check_forwarded("for=\"_gazonk\"", "", "");
  check_forwarded("For=\"[2001:db8:cafe::17]:4711\"", "", "");
  check_forwarded("for=192.0.2.60;proto=http;by=203.0.113.43", "http", "");
  check_forwarded("for=192.0.2.43, for=198.51.100.17", "", "");
  check_forwarded("for=192.0.2.43, for=\"[2001:db8:cafe::17]\"", "", "");
  check_forwarded("for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown", "", "");
  check_forwarded("for=_hidden, for=_SEVKISEK", "", "");
  check_forwarded("for=\"_mdn\";proto=http;host=example.com", "http", "example.com");
}

TEST_CASE("scheme and host are of the last element") {
  check_forwarded("proto=https;host=a", "https", "a");
  check_forwarded("proto=http;host=a, proto=https;host=b", "https", "b");
  check_forwarded("proto=http;host=a, for=192.0.2.1", "", "");
  check_forwarded("proto=http;host=a, host=b", "", "b");
  check_forwarded("host=a , ,\t,", "", "a");
  check_origin({{"Forwarded", "host=a;proto=http"}, {"forwarded", "host=b"}}, "", "b");
}

TEST_CASE("names and schemes have no case, and quoted strings are unquoted") {
  check_forwarded("PROTO=HTTPS;Host=Example.COM", "https", "Example.COM");
  check_forwarded("proto=\"https\";host=\"example.com:8080\"", "https", "example.com:8080");
  check_forwarded("host=\"\\[\\:\\:1]:443\"", "", "[::1]:443");
  check_forwarded("for=\"a,b;proto=http\";proto=https", "https", "");
  check_forwarded("for=\"\\\",proto=http;\\\"\";proto=https", "https", "");
}

TEST_CASE("empty pairs and white space around separators do not count") {
  check_forwarded(";;proto=https;;host=a;", "https", "a");
  check_forwarded(" proto=https ; host=a ", "https", "a");
  check_forwarded("", "", "");
  check_forwarded(" , ;, ", "", "");
}

TEST_CASE("what is no scheme of ours and no host is not told") {
  for (const std::string_view proto : {"ftp", "httpss", "htt", "ws", "\"\"", "\"https \""}) {
    CAPTURE(proto);
    check_forwarded("host=a;proto=" + std::string(proto), "", "a");
  }
  for (const std::string_view host : {"\"\"", "\"a/b\"", "\"a@b\"", "\"a b\"", "\"a,b\"", "\"a:b\"", "\"[::1\"",
                                      "\"a\\\"b\"", "\"a<script>\"", "\"a\\\\b\""}) {
    CAPTURE(host);
    check_forwarded("proto=https;host=" + std::string(host), "https", "");
  }
}

TEST_CASE("a Forwarded that does not parse tells nothing, and what else is there neither") {
  for (const std::string_view broken : {"proto",
                                        "proto=",
                                        "=https",
                                        "proto=https host=a",
                                        "proto =https",
                                        "proto= https",
                                        "proto=https;host=\"a",
                                        "proto=https;host=\"a\\",
                                        "proto=https;host=\"a\"b",
                                        "proto=https;host=a:80",
                                        "proto=https;for=[::1]",
                                        "proto=https:host=a",
                                        "for=\", proto=https",
                                        "for=1.2.3.4:5, proto=https",
                                        "proto=https, for=\"",
                                        "proto=http;proto=https",
                                        "host=a;proto=https;HOST=a",
                                        "proto=https;host=\"\x01\"",
                                        "proto=https\x7f",
                                        "proto=https;\xc3\xa9=a",
                                        "proto=h(t)tps"}) {
    CAPTURE(broken);
    check_forwarded(broken, "", "");
    check_origin({{"Forwarded", broken}, {"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", "b"}}, "", "");
  }
}

TEST_CASE("a client's open quote does not make words of its own out of the proxy's element") {
  check_origin({{"Forwarded", "host=evil;for=\""}, {"Forwarded", "for=192.0.2.1;host=good"}}, "", "");
  check_forwarded("host=evil;x=\", for=\"_a\";host=\"good\"", "", "");
  check_forwarded("host=evil;x=\"\\, for=\"_a\";host=\"good\"", "", "");
}

TEST_CASE("where there is no Forwarded, X-Forwarded-Proto and -Host tell by their last values") {
  check_origin({{"X-Forwarded-Proto", "https"}}, "https", "");
  check_origin({{"X-Forwarded-Host", "example.com:8080"}}, "", "example.com:8080");
  check_origin({{"x-forwarded-proto", "HTTPS"}, {"x-forwarded-host", "[::1]:443"}}, "https", "[::1]:443");
  check_origin({{"X-Forwarded-Proto", "http, https"}, {"X-Forwarded-Host", "a ,\tb"}}, "https", "b");
  check_origin({{"X-Forwarded-Proto", "http"}, {"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", "a"}}, "https",
               "a");
  check_origin({{"X-Forwarded-Proto", "https,http"}}, "http", "");
  check_origin({{"X-Forwarded-Proto", "https,"}, {"X-Forwarded-Host", "a, "}}, "", "");
  check_origin({{"X-Forwarded-Proto", "gopher"}, {"X-Forwarded-Host", "a/b"}}, "", "");
  check_origin({{"X-Forwarded-Proto", "\"https\""}, {"X-Forwarded-Host", "\"a\""}}, "", "");
}

TEST_CASE("an empty Forwarded hides the X-Forwarded fields too") {
  check_origin({{"Forwarded", ""}, {"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", "a"}}, "", "");
}

TEST_CASE("a Forwarded of many elements is read once") {
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += "for=\"\\\"\";proto=http;;,,";
  check_forwarded(many + "proto=https;host=a", "https", "a");
  check_forwarded(std::string(100'000, ';'), "", "");
  check_forwarded("for=" + std::string(100'000, '"'), "", "");
}

}  // namespace ringdrop::proto
