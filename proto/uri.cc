#include "proto/uri.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "proto/characters.h"

namespace ringdrop::proto {
namespace {

bool is_unreserved(char c) {  // RFC 3986 2.3
  return detail::is_alphanumeric(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' || c == '~';
}

bool is_sub_delimiter_but_comma(char c) {  // RFC 3986 2.2
  return std::string_view("!$&'()*+;=").find(c) != std::string_view::npos;
}

// The byte that a "%41" at the front stands for.
std::optional<char> decode_triplet(std::string_view text) {
  if (text.size() < 3) return std::nullopt;
  const int high = hex_digit_value(text[1]);
  const int low = hex_digit_value(text[2]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high * 16 + low);
}

std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  while (!text.empty()) {
    const std::size_t plain = std::min(text.find_first_of("%+"), text.size());
    decoded += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    if (text.front() == '+') {
      decoded += plus_is_space ? ' ' : '+';
      text.remove_prefix(1);
      continue;
    }
    const std::optional<char> byte = decode_triplet(text);
    if (!byte) return std::nullopt;
    decoded += *byte;
    text.remove_prefix(3);
  }
  return decoded;
}

// dec-octet "." dec-octet "." dec-octet "." dec-octet, RFC 3986 3.2.2: no leading zeros.
bool is_ipv4(std::string_view text) {
  for (int octet = 0; octet < 4; ++octet) {
    if (octet > 0) {
      if (!text.starts_with('.')) return false;
      text.remove_prefix(1);
    }
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const auto digits = static_cast<std::size_t>(end - text.data());
    if (error != std::errc() || digits > 3 || value > 255) return false;
    if (digits > 1 && text.front() == '0') return false;
    text.remove_prefix(digits);
  }
  return text.empty();
}

// The 16-bit groups of "1:2:3" or "1:2:192.0.2.1" (last one counts as two). nullopt when it is
// malformed; no text is no group.
std::optional<int> count_ipv6_groups(std::string_view text, bool ipv4_allowed) {
  if (text.empty()) return 0;
  int groups = 0;
  while (true) {
    const std::size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    if (colon == std::string_view::npos && ipv4_allowed && group.find('.') != std::string_view::npos) {
      if (!is_ipv4(group)) return std::nullopt;
      return groups + 2;
    }
    if (group.empty() || group.size() > 4) return std::nullopt;
    if (!std::all_of(group.begin(), group.end(), [](char c) { return hex_digit_value(c) >= 0; })) return std::nullopt;
    ++groups;
    if (colon == std::string_view::npos) return groups;
    text.remove_prefix(colon + 1);
  }
}

// RFC 3986 3.2.2 without IPvFuture and zone identifiers: 8 groups, or fewer around one "::".
bool is_ipv6(std::string_view text) {
  constexpr int kGroups = 8;
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) return count_ipv6_groups(text, true) == kGroups;
  const auto before = count_ipv6_groups(text.substr(0, gap), false);
  const auto behind = count_ipv6_groups(text.substr(gap + 2), true);
  return before && behind && *before + *behind < kGroups;
}

// reg-name = *( unreserved / pct-encoded / sub-delims ), RFC 3986 3.2.2; IPv4address is one too.
// Not empty: RFC 9110 4.2.1 wants a host. Without the comma, which would make two Host fields
// joined by a proxy look like one.
bool is_reg_name(std::string_view text) {
  if (text.empty()) return false;
  while (!text.empty()) {
    if (is_unreserved(text.front()) || is_sub_delimiter_but_comma(text.front())) {
      text.remove_prefix(1);
    } else if (text.front() == '%' && decode_triplet(text)) {
      text.remove_prefix(3);
    } else {
      return false;
    }
  }
  return true;
}

// port = *DIGIT, RFC 3986 3.2.3; TCP has 16 bits.
bool is_port(std::string_view text) {
  if (text.empty()) return true;
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) {
  return decode(text, false);
}

std::string percent_encode(std::string_view bytes) {
  constexpr std::string_view kHexDigits = "0123456789ABCDEF";  // upper case, RFC 3986 2.1
  std::string encoded;
  encoded.reserve(bytes.size());
  for (const char c : bytes) {
    if (is_unreserved(c)) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += kHexDigits[byte >> 4U];
    encoded += kHexDigits[byte & 0xfU];
  }
  return encoded;
}

std::vector<std::string_view> path_segments(std::string_view path) {
  std::vector<std::string_view> segments;
  if (!path.starts_with('/')) return segments;
  segments.reserve(static_cast<std::size_t>(std::ranges::count(path, '/')));
  while (true) {
    path.remove_prefix(1);
    const std::size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash);
  }
}

std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query, std::size_t most) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!query.empty()) {
    const std::size_t ampersand = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, ampersand);
    query.remove_prefix(std::min(ampersand + 1, query.size()));
    if (pair.empty()) continue;
    if (pairs.size() == most) return std::nullopt;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    auto name = decode(pair.substr(0, equals), true);
    auto value = decode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!name || !value) return std::nullopt;
    pairs.emplace_back(std::move(*name), std::move(*value));
  }
  return pairs;
}

bool is_valid_host(std::string_view host) {
  std::size_t name_end = std::min(host.find(':'), host.size());
  if (host.starts_with('[')) {
    const std::size_t bracket = host.find(']');
    if (bracket == std::string_view::npos || !is_ipv6(host.substr(1, bracket - 1))) return false;
    name_end = bracket + 1;
  } else if (!is_reg_name(host.substr(0, name_end))) {
    return false;
  }
  const std::string_view rest = host.substr(name_end);
  return rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)));
}

}  // namespace ringdrop::proto
