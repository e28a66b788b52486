// Request targets and URLs (RFC 3986): percent-encoding, path segments, queries.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringdrop::proto {

// Decodes %XX; every other byte stands for itself ('+' too). nullopt for a '%' without two hex
// digits.
std::optional<std::string> percent_decode(std::string_view text);

// Encodes every byte but the unreserved ones (RFC 3986 2.3).
std::string percent_encode(std::string_view bytes);

// The segments of a path that begins with '/', still encoded: "/" -> {""}, "/a/b" -> {"a","b"},
// "/a/" -> {"a",""}.
std::vector<std::string_view> path_segments(std::string_view path);

// name=value pairs of a query or of an application/x-www-form-urlencoded body, decoded ('+' is a
// space there). nullopt for broken percent-encoding or more than `most` pairs.
std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query,
                                                                            std::size_t most = 64);

// host[:port] as a Host field may carry it (RFC 9110 7.2): reg-name, IPv4 or [IPv6], optional port.
// No path, no userinfo, no comma.
bool is_valid_host(std::string_view host);

}  // namespace ringdrop::proto
