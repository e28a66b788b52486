// What `curl http://host/` prints: how to use the server, with lines that work when they are pasted.
#pragma once

#include <string>

#include "proto/http_message.h"
#include "server/config.h"

namespace ringdrop::server {

// `own_host` stands in for a Host that the request does not name.
std::string help_text(const Config& config, const std::string& own_host, const proto::RequestHead& request);

}  // namespace ringdrop::server
