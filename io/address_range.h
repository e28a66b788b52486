// A network: an address and how many of its leading bits count (RFC 4632, RFC 4291 2.3).
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "io/address.h"

namespace ringdrop::io {

struct AddressRange {
  std::array<std::byte, 16> prefix{};  // an IPv4 address in its mapped form (::ffff:a.b.c.d)
  unsigned bits = 128;                 // of that form
};

// "10.0.0.1", "10.0.0.0/8", "::1", "fd00::/8". nullopt for anything else, and for bits behind the prefix that are set.
std::optional<AddressRange> parse_address_range(std::string_view text);

// An IPv4 peer of an IPv6 listener comes in its mapped form and is the same peer. false for a Unix socket's.
bool contains(const AddressRange& range, const Address& address);

}  // namespace ringdrop::io
