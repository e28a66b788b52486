#include "io/address.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace ringdrop::test {

using io::Address;
using io::format_address;
using io::parse_address;
using namespace std::string_view_literals;

TEST_CASE("an address that is written as we write it comes back the same") {
  for (const std::string_view text : {
           "127.0.0.1:8080"sv,
           "0.0.0.0:0"sv,
           "255.255.255.255:65535"sv,
           "[::1]:8080"sv,
           "[::]:0"sv,
           "[2001:db8::1]:443"sv,
           "[::ffff:192.0.2.1]:80"sv,
           "unix:/run/ringdrop.sock"sv,
           "unix:relative.sock"sv,
           "unix:/with:colon and space"sv,
       }) {
    CAPTURE(text);
    const std::optional<Address> address = parse_address(text);
    REQUIRE(address.has_value());
    CHECK(format_address(*address) == text);
  }
}

TEST_CASE("other spellings of an address are written in the shortest form") {
  const auto normal = [](std::string_view text) { return format_address(*parse_address(text)); };
  CHECK(normal("[0:0:0:0:0:0:0:1]:80") == "[::1]:80");
  CHECK(normal("[2001:DB8::A]:80") == "[2001:db8::a]:80");
  CHECK(normal("127.0.0.1:00080") == "127.0.0.1:80");
}

TEST_CASE("family, port and length are what the kernel takes") {
  const Address v4 = *parse_address("192.0.2.7:513");
  CHECK(v4.generic.sa_family == AF_INET);
  CHECK(ntohs(v4.v4.sin_port) == 513);
  CHECK(ntohl(v4.v4.sin_addr.s_addr) == 0xc0000207);
  CHECK(v4.length == sizeof(sockaddr_in));
  const Address v6 = *parse_address("[::2]:513");
  CHECK(v6.generic.sa_family == AF_INET6);
  CHECK(ntohs(v6.v6.sin6_port) == 513);
  CHECK(v6.v6.sin6_scope_id == 0);
  CHECK(v6.length == sizeof(sockaddr_in6));
  const Address path = *parse_address("unix:/a");
  CHECK(path.generic.sa_family == AF_UNIX);
  CHECK(path.unix_path.sun_path == "/a"sv);
  CHECK(path.length == offsetof(sockaddr_un, sun_path) + 3);
}

TEST_CASE("what is no address is refused") {
  for (const std::string_view text : {
           ""sv,
           ":"sv,
           ":80"sv,
           "127.0.0.1"sv,
           "127.0.0.1:"sv,
           "127.0.0.1:65536"sv,
           "127.0.0.1:-1"sv,
           "127.0.0.1:+1"sv,
           "127.0.0.1: 80"sv,
           "127.0.0.1:80 "sv,
           " 127.0.0.1:80"sv,
           "127.0.0.1:80x"sv,
           "127.0.0.1:0x50"sv,
           "127.0.0.1:99999999999999999999"sv,
           "127.0.0:80"sv,
           "127.0.0.1.1:80"sv,
           "127.0.0.256:80"sv,
           "localhost:80"sv,
           "*:80"sv,
           "::1:80"sv,
           "[::1]"sv,
           "[::1]80"sv,
           "[::1:80"sv,
           "[]:80"sv,
           "[127.0.0.1]:80"sv,
           "[::1%lo]:80"sv,
           "[[::1]]:80"sv,
           "[:::1]:80"sv,
           "unix:"sv,
           "UNIX:/a"sv,
           "http://127.0.0.1:80"sv,
       }) {
    CAPTURE(text);
    CHECK_FALSE(parse_address(text).has_value());
  }
}

TEST_CASE("a NUL anywhere is refused, also where the C library would stop reading") {
  for (const std::string_view text : {
           "127.0.0.1\0:80"sv,
           "127.0.0.1\0.evil:80"sv,
           "127.0.0.1:80\0"sv,
           "127.0.0.1:8\0000"sv,
           "[::1\0]:80"sv,
           "[::1\0::2]:80"sv,
           "\000127.0.0.1:80"sv,
           "unix:/run/a\0b"sv,
           "unix:\0abstract"sv,
       }) {
    CHECK_FALSE(parse_address(text).has_value());
  }
}

TEST_CASE("a Unix path may have 107 bytes: one stays for its end") {
  const std::string longest = "unix:/" + std::string(106, 'a');
  REQUIRE(parse_address(longest).has_value());
  CHECK(format_address(*parse_address(longest)) == longest);
  CHECK_FALSE(parse_address(longest + "a").has_value());
}

TEST_CASE("peers without a name are written too") {
  CHECK(format_address(Address()) == "unknown");
  Address unnamed;
  unnamed.unix_path.sun_family = AF_UNIX;
  unnamed.length = sizeof(sa_family_t);
  CHECK(format_address(unnamed) == "unix:");
  Address other;
  other.generic.sa_family = AF_PACKET;
  other.length = sizeof(sockaddr_in);
  CHECK(format_address(other) == "unknown");
}

}  // namespace ringdrop::test
