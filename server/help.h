// What `curl http://host/` prints: how to use the server, with lines that work when they are pasted.
#pragma once

#include <string>

#include "server/config.h"

namespace ringdrop::server {

// `base_url`: under which the client has reached us.
std::string help_text(const Config& config, const std::string& base_url);

}  // namespace ringdrop::server
