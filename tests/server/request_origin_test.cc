#include "server/request_origin.h"

#include <doctest/doctest.h>
#include <sys/un.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tests/server/heads.h"

namespace ringdrop::server {
namespace {

const std::string kOwnHost = "127.0.0.1:8080";

io::Address peer(std::string_view text) {
  const std::optional<io::Address> address = io::parse_address(text);
  REQUIRE_MESSAGE(address.has_value(), text);
  return *address;
}

// As accept(2) gives it of a client that has not bound its socket.
io::Address unnamed_unix_peer() {
  io::Address address;
  address.unix_path.sun_family = AF_UNIX;
  address.length = offsetof(sockaddr_un, sun_path);
  return address;
}

proto::RequestHead forwarded_request() {
  proto::RequestHead head = head_with({{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", "files.example"}});
  head.host = "inner:1";
  return head;
}

std::string base_url(const Config& config, const proto::RequestHead& head, const io::Address& from) {
  return RequestOrigin(config, kOwnHost).base_url(head, from);
}

TEST_CASE("links begin with the Host of the request, and without one with our own address") {
  const Config config;
  proto::RequestHead head;
  CHECK(base_url(config, head, peer("127.0.0.1:1")) == "http://127.0.0.1:8080");
  head.host = "files.example:81";
  CHECK(base_url(config, head, peer("127.0.0.1:1")) == "http://files.example:81");
  head.host = "[::1]:81";
  CHECK(base_url(config, head, peer("[::1]:1")) == "http://[::1]:81");
}

TEST_CASE("public_url is what the world calls us, whoever says what") {
  Config config;
  config.public_url = "https://set.example/drop";
  config.trusted_proxies = {"127.0.0.1", "unix"};
  for (const io::Address& from : {peer("127.0.0.1:1"), peer("192.0.2.1:1"), unnamed_unix_peer(), io::Address()}) {
    CHECK(base_url(config, forwarded_request(), from) == "https://set.example/drop");
    CHECK(base_url(config, proto::RequestHead(), from) == "https://set.example/drop");
  }
}

TEST_CASE("a proxy is believed when its address is listed, and nobody else is") {
  struct Row {
    std::vector<std::string> trusted;
    io::Address from;
    bool believed;
  };
  const Row rows[] = {
      {{}, peer("127.0.0.1:1"), false},
      {{}, unnamed_unix_peer(), false},
      {{"127.0.0.1"}, peer("127.0.0.1:1"), true},
      {{"127.0.0.1"}, peer("127.0.0.1:65535"), true},
      {{"127.0.0.1"}, peer("127.0.0.2:1"), false},
      {{"127.0.0.1"}, peer("[::1]:1"), false},
      {{"127.0.0.1"}, peer("[::ffff:127.0.0.1]:1"), true},
      {{"127.0.0.1"}, unnamed_unix_peer(), false},
      {{"127.0.0.1"}, io::Address(), false},
      {{"10.0.0.0/8"}, peer("10.255.255.255:1"), true},
      {{"10.0.0.0/8"}, peer("11.0.0.0:1"), false},
      {{"10.0.0.0/9"}, peer("10.127.0.1:1"), true},
      {{"10.0.0.0/9"}, peer("10.128.0.1:1"), false},
      {{"0.0.0.0/0"}, peer("192.0.2.1:1"), true},
      {{"0.0.0.0/0"}, peer("[2001:db8::1]:1"), false},
      {{"0.0.0.0/0", "::/0"}, unnamed_unix_peer(), false},
      {{"::1"}, peer("[::1]:1"), true},
      {{"fd00::/8"}, peer("[fdab::1]:1"), true},
      {{"fd00::/8"}, peer("[fe80::1]:1"), false},
      {{"192.0.2.1", "192.0.2.3"}, peer("192.0.2.3:1"), true},
      {{"unix"}, unnamed_unix_peer(), true},
      {{"unix"}, peer("unix:/run/proxy.sock"), true},
      {{"unix"}, peer("127.0.0.1:1"), false},
      {{"unix"}, io::Address(), false},
      {{"127.0.0.1", "unix"}, unnamed_unix_peer(), true},
  };
  for (const Row& row : rows) {
    Config config;
    config.trusted_proxies = row.trusted;
    CAPTURE(row.trusted.size());
    CAPTURE(io::format_address(row.from));
    CHECK(base_url(config, forwarded_request(), row.from) ==
          (row.believed ? "https://files.example" : "http://inner:1"));
  }
}

TEST_CASE("what a trusted proxy does not tell, or tells wrongly, is what the request itself says") {
  Config config;
  config.trusted_proxies = {"127.0.0.1"};
  struct Row {
    std::string_view name;
    std::string_view value;
    std::string_view url;
  };
  const Row rows[] = {
      {"X-Forwarded-Proto", "https", "https://inner:1"},
      {"X-Forwarded-Host", "files.example:8443", "http://files.example:8443"},
      {"X-Forwarded-Proto", "gopher", "http://inner:1"},
      {"X-Forwarded-Host", "evil/path", "http://inner:1"},
      {"X-Forwarded-Host", "", "http://inner:1"},
      {"Forwarded", "proto=https;host=files.example", "https://files.example"},
      {"Forwarded", "proto=http;host=a, proto=https;host=b", "https://b"},
      {"Forwarded", "for=192.0.2.1", "http://inner:1"},
      {"Forwarded", "proto=https;host=\"", "http://inner:1"},
      {"Forwarded", "host=\"[::1]:443\"", "http://[::1]:443"},
      {"X-Forwarded-For", "192.0.2.1", "http://inner:1"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CAPTURE(row.value);
    proto::RequestHead head = head_with({{row.name, row.value}});
    head.host = "inner:1";
    CHECK(base_url(config, head, peer("127.0.0.1:5")) == row.url);
  }
}

TEST_CASE("Forwarded counts before the X-Forwarded fields") {
  Config config;
  config.trusted_proxies = {"127.0.0.1"};
  proto::RequestHead head = forwarded_request();
  head.fields.add("Forwarded", "host=other.example");
  CHECK(base_url(config, head, peer("127.0.0.1:5")) == "http://other.example");
}

TEST_CASE("an HTTP/1.0 request of a trusted proxy has no Host, and its X-Forwarded-Host counts all the same") {
  Config config;
  config.trusted_proxies = {"127.0.0.1"};
  proto::RequestHead head = forwarded_request();
  head.host.clear();
  CHECK(base_url(config, head, peer("127.0.0.1:5")) == "https://files.example");
}

}  // namespace
}  // namespace ringdrop::server
