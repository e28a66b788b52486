#include "io/address_range.h"

#include <doctest/doctest.h>

#include <string>

namespace ringdrop::io {
namespace {

bool is_in(std::string_view address, std::string_view range) {
  const std::optional<AddressRange> parsed = parse_address_range(range);
  REQUIRE(parsed.has_value());
  return contains(*parsed, *parse_address(address));
}

}  // namespace

TEST_CASE("an address is in its own range and in every network around it") {
  CHECK(is_in("10.1.2.3:1", "10.1.2.3"));
  CHECK(is_in("10.1.2.3:1", "10.1.2.3/32"));
  CHECK(is_in("10.1.2.3:1", "10.1.2.2/31"));
  CHECK(is_in("10.1.2.3:1", "10.0.0.0/8"));
  CHECK(is_in("10.1.2.3:1", "0.0.0.0/0"));
  CHECK(is_in("[fd00::1]:1", "fd00::/8"));
  CHECK(is_in("[fd00::1]:1", "::/0"));
  CHECK_FALSE(is_in("10.1.2.3:1", "10.1.2.4"));
  CHECK_FALSE(is_in("10.1.2.3:1", "10.1.2.0/31"));
  CHECK_FALSE(is_in("11.1.2.3:1", "10.0.0.0/8"));
  CHECK_FALSE(is_in("[fd00::1]:1", "fd00::2"));
  CHECK_FALSE(is_in("[fd00::1]:1", "0.0.0.0/0"));
}

TEST_CASE("an IPv4 peer of an IPv6 listener is the IPv4 peer") {
  CHECK(is_in("[::ffff:10.1.2.3]:1", "10.0.0.0/8"));
  CHECK(is_in("10.1.2.3:1", "::ffff:10.0.0.0/104"));
}

TEST_CASE("a Unix socket's peer and an unknown one are in no range") {
  CHECK_FALSE(is_in("unix:/run/x.sock", "0.0.0.0/0"));
  CHECK_FALSE(contains(*parse_address_range("::/0"), Address()));
}

TEST_CASE("what is no network is refused") {
  for (const std::string text : {"", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8x", "10.0.0.0/-1", "10.1.0.0/8",
                                 "fd00::/129", "[fd00::]/8", "fd00::1/8", "host", "10.0.0.0:80", " 10.0.0.1"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_address_range(text).has_value());
  }
}

}  // namespace ringdrop::io
