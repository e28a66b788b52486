// The URL under which a link is handed out.
#pragma once

#include <string>

#include "db/catalogue.h"
#include "proto/http_message.h"

namespace ringdrop::server {

// http://{host}/{token}/{name}: the request's Host; without one (HTTP/1.0) the server's own.
std::string link_url(const std::string& own_host, const proto::RequestHead& request, const db::Link& link);

}  // namespace ringdrop::server
