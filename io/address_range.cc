#include "io/address_range.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>
#include <string>

namespace ringdrop::io {
namespace {

using Bits = std::array<std::byte, 16>;

constexpr unsigned kMappedBits = 96;

Bits mapped(const in_addr& v4) {
  Bits bits{};
  bits[10] = bits[11] = std::byte{0xff};
  std::memcpy(bits.data() + 12, &v4, sizeof v4);
  return bits;
}

bool same_prefix(const Bits& a, const Bits& b, unsigned bits) {
  if (std::memcmp(a.data(), b.data(), bits / 8) != 0) return false;
  if (bits % 8 == 0) return true;
  const auto mask = static_cast<std::byte>(0xff00U >> (bits % 8));
  return (a[bits / 8] & mask) == (b[bits / 8] & mask);
}

std::optional<unsigned> parse_bits(std::string_view text, unsigned most) {
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
  if (error != std::errc{} || end != text.data() + text.size() || bits > most) return std::nullopt;
  return bits;
}

}  // namespace

std::optional<AddressRange> parse_address_range(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  AddressRange range;
  in_addr v4{};
  in6_addr v6{};
  const bool is_v4 = inet_pton(AF_INET, address.c_str(), &v4) == 1;
  if (is_v4) {
    range.prefix = mapped(v4);
  } else if (inet_pton(AF_INET6, address.c_str(), &v6) == 1) {
    std::memcpy(range.prefix.data(), &v6, sizeof v6);
  } else {
    return std::nullopt;
  }
  if (slash == text.npos) return range;
  const std::optional<unsigned> bits = parse_bits(text.substr(slash + 1), is_v4 ? 32 : 128);
  if (!bits) return std::nullopt;
  range.bits = is_v4 ? kMappedBits + *bits : *bits;
  // What stands behind the prefix is a mistake: "10.1.2.3/8" means one address or a network, and nobody knows which.
  Bits cut{};
  for (unsigned i = 0; i < range.bits; ++i) {
    cut[i / 8] |= range.prefix[i / 8] & static_cast<std::byte>(0x80U >> (i % 8));
  }
  if (cut != range.prefix) return std::nullopt;
  return range;
}

bool contains(const AddressRange& range, const Address& address) {
  if (address.length == 0) return false;
  Bits bits{};
  if (address.generic.sa_family == AF_INET) {
    bits = mapped(address.v4.sin_addr);
  } else if (address.generic.sa_family == AF_INET6) {
    std::memcpy(bits.data(), &address.v6.sin6_addr, bits.size());
  } else {
    return false;
  }
  return same_prefix(range.prefix, bits, range.bits);
}

}  // namespace ringdrop::io
