#include "server/link_url.h"

#include <fmt/format.h>

#include "proto/uri.h"

namespace ringdrop::server {

std::string link_url(const std::string& own_host, const proto::RequestHead& request, const db::Link& link) {
  const std::string& host = request.host.empty() ? own_host : request.host;
  if (link.name.empty()) return fmt::format("http://{}/{}", host, link.token);
  return fmt::format("http://{}/{}/{}", host, link.token, proto::percent_encode(link.name));
}

}  // namespace ringdrop::server
