#include "proto/http_url.h"

#include <algorithm>
#include <charconv>

#include "proto/characters.h"
#include "proto/http_message.h"
#include "proto/uri.h"

namespace ringdrop::proto {
namespace {

constexpr uint16_t kHttpPort = 80;
constexpr uint16_t kHttpsPort = 443;

// Takes "http://" or "https://" off the front; nullopt when it is neither, else whether it was https.
std::optional<bool> take_scheme(std::string_view& text) {
  for (const std::string_view scheme : {std::string_view("http://"), std::string_view("https://")}) {
    if (!equals_ignoring_case(text.substr(0, scheme.size()), scheme)) continue;
    text.remove_prefix(scheme.size());
    return scheme.size() == std::string_view("https://").size();
  }
  return std::nullopt;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), ascii_lower);
  return result;
}

// host[:port], which is_valid_host() has found valid.
bool set_host_and_port(HttpUrl& url, std::string_view authority) {
  const std::size_t name_end = authority.starts_with('[') ? authority.find(']') + 1 : authority.find(':');
  const std::string_view name = authority.substr(0, name_end);
  const std::string_view rest = authority.substr(name.size());
  const std::string_view digits = rest.empty() ? rest : rest.substr(1);
  const uint16_t usual = url.secure ? kHttpsPort : kHttpPort;
  url.port = usual;
  if (!digits.empty()) std::from_chars(digits.data(), digits.data() + digits.size(), url.port);
  if (url.port == 0) return false;
  url.host = lower(name.starts_with('[') ? name.substr(1, name.size() - 2) : name);
  url.authority = lower(name);
  if (url.port != usual) url.authority += ':' + std::to_string(url.port);
  return true;
}

}  // namespace

std::expected<HttpUrl, const char*> parse_http_url(std::string_view text) {
  if (run_length(text, kTargetChar) != text.size()) {
    return std::unexpected("it contains a space or another byte that must be percent-encoded");
  }
  HttpUrl url;
  const std::optional<bool> secure = take_scheme(text);
  if (!secure) return std::unexpected("it does not begin with http:// or https://");
  url.secure = *secure;
  if (text.find_first_of("?#") != std::string_view::npos) return std::unexpected("it has a query or a fragment");
  const std::size_t authority_end = std::min(text.find('/'), text.size());
  const std::string_view authority = text.substr(0, authority_end);
  if (authority.find('@') != std::string_view::npos) {
    return std::unexpected("it has a user name: a secret is given as a token (--token, RINGDROP_TOKEN)");
  }
  if (!is_valid_host(authority)) return std::unexpected("its host is no host name or address with an optional port");
  if (!set_host_and_port(url, authority)) return std::unexpected("its port is 0");
  url.path = authority_end < text.size() ? text.substr(authority_end) : "/";
  return url;
}

std::string format_http_url(const HttpUrl& url) {
  return (url.secure ? "https://" : "http://") + url.authority + url.path;
}

std::optional<std::string> same_origin_target(const HttpUrl& server, std::string_view location) {
  if (run_length(location, kTargetChar) != location.size()) return std::nullopt;
  location = location.substr(0, location.find('#'));
  if (location.starts_with("//")) return std::nullopt;
  if (location.starts_with('/')) return std::string(location);
  const std::size_t query = std::min(location.find('?'), location.size());
  const auto there = parse_http_url(location.substr(0, query));
  if (!there || there->secure != server.secure || there->authority != server.authority) return std::nullopt;
  return there->path + std::string(location.substr(query));
}

}  // namespace ringdrop::proto
