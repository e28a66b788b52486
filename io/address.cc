#include "io/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>
#include <cstddef>
#include <cstring>

namespace ringdrop::io {
namespace {

constexpr std::string_view kUnix = "unix:";

std::optional<Address> parse_unix(std::string_view path) {
  Address address;
  // One byte stays for the terminating NUL that path names have (unix(7)).
  if (path.empty() || path.size() >= sizeof(address.unix_path.sun_path)) return std::nullopt;
  if (path.find('\0') != std::string_view::npos) return std::nullopt;
  address.unix_path.sun_family = AF_UNIX;
  std::memcpy(address.unix_path.sun_path, path.data(), path.size());
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

}  // namespace

std::optional<Address> parse_address(std::string_view text) {
  if (text.starts_with(kUnix)) return parse_unix(text.substr(kUnix.size()));
  // inet_pton stops at a NUL and would take what is before it.
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string host(text.substr(0, colon));
  const std::string_view port_text = text.substr(colon + 1);
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(port_text.begin(), port_text.end(), port);
  if (error != std::errc{} || end != port_text.end()) return std::nullopt;

  Address address;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), &address.v6.sin6_addr) != 1) return std::nullopt;
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(port);
    address.length = sizeof(sockaddr_in6);
    return address;
  }
  if (inet_pton(AF_INET, host.c_str(), &address.v4.sin_addr) != 1) return std::nullopt;
  address.v4.sin_family = AF_INET;
  address.v4.sin_port = htons(port);
  address.length = sizeof(sockaddr_in);
  return address;
}

std::string format_address(const Address& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.length < sizeof(sa_family_t)) return "unknown";
  switch (address.generic.sa_family) {
    case AF_INET:
      inet_ntop(AF_INET, &address.v4.sin_addr, text, sizeof text);
      return fmt::format("{}:{}", text, ntohs(address.v4.sin_port));
    case AF_INET6:
      inet_ntop(AF_INET6, &address.v6.sin6_addr, text, sizeof text);
      return fmt::format("[{}]:{}", text, ntohs(address.v6.sin6_port));
    case AF_UNIX: {
      const std::size_t most = address.length - offsetof(sockaddr_un, sun_path);
      return fmt::format("unix:{}",
                         std::string_view(address.unix_path.sun_path, strnlen(address.unix_path.sun_path, most)));
    }
    default:
      return "unknown";
  }
}

}  // namespace ringdrop::io
