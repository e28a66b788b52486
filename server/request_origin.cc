#include "server/request_origin.h"

#include <algorithm>

#include "proto/forwarded.h"

namespace ringdrop::server {

RequestOrigin::RequestOrigin(const Config& config, const std::string& own_host) : config_(config), own_host_(own_host) {
  for (const std::string& proxy : config.trusted_proxies) {
    const std::optional<io::AddressRange> range = io::parse_address_range(proxy);
    if (range) trusted_.push_back(*range);
    if (proxy == "unix") trusts_unix_ = true;
  }
}

bool RequestOrigin::is_trusted(const io::Address& peer) const {
  if (peer.length > 0 && peer.generic.sa_family == AF_UNIX) return trusts_unix_;
  return std::ranges::any_of(trusted_, [&](const io::AddressRange& range) { return io::contains(range, peer); });
}

std::string RequestOrigin::base_url(const proto::RequestHead& request, const io::Address& peer) const {
  if (!config_.public_url.empty()) return config_.public_url;
  std::string scheme = "http";
  std::string host = request.host.empty() ? own_host_ : request.host;
  if (is_trusted(peer)) {
    proto::ForwardedOrigin forwarded = proto::forwarded_origin(request.fields);
    if (!forwarded.scheme.empty()) scheme = std::move(forwarded.scheme);
    if (!forwarded.host.empty()) host = std::move(forwarded.host);
  }
  return scheme + "://" + host;
}

}  // namespace ringdrop::server
