// Where a server listens and who a peer is: IPv4, IPv6 or a Unix socket path.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <netinet/in.h>

#include <optional>
#include <string>
#include <string_view>

namespace ringdrop::io {

// A socket address as the kernel takes it. Default constructed: unknown (length 0).
struct Address {
  union {
    sockaddr generic;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_un unix_path;
  };
  socklen_t length;  // bytes in use

  Address() : unix_path{}, length(0) {}
};

// "127.0.0.1:8080", "[::1]:8080", "unix:/run/ringdrop.sock"; numeric only, nothing is looked up. nullopt otherwise.
std::optional<Address> parse_address(std::string_view text);

// The same form; "unknown" for a default constructed address, "unix:" for an unnamed Unix peer.
std::string format_address(const Address& address);

}  // namespace ringdrop::io
