// http and https URLs as a client is given them (RFC 9110 4.2, RFC 3986), and references to others of the same server.
// Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace ringdrop::proto {

struct HttpUrl {
  bool secure = false;  // https
  std::string host;     // in lower case, a name or an address: IPv6 without its brackets
  uint16_t port = 80;
  std::string authority;  // what the Host field says: the port only when it is not the scheme's own
  std::string path;       // begins with '/', still encoded; without query and fragment

  bool operator==(const HttpUrl&) const = default;
};

// "http://host[:port][/path]". A query or a fragment, user info, another scheme, control characters and what must be
// percent-encoded are refused; the sentence says why.
std::expected<HttpUrl, const char*> parse_http_url(std::string_view text);

// "https://example.org:8443/path".
std::string format_http_url(const HttpUrl& url);

// The path (with its query) that a Location of that server names: an absolute path, or a URL with the same scheme, host
// and port. nullopt: it is elsewhere, or relative to another path.
std::optional<std::string> same_origin_target(const HttpUrl& server, std::string_view location);

}  // namespace ringdrop::proto
