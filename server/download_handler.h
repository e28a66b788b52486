// GET and HEAD /{token}[/{name}]: the file behind a link.
#pragma once

#include <stop_token>
#include <string_view>

#include "io/task.h"
#include "proto/http_message.h"
#include "server/http/response_writer.h"
#include "server/services.h"

namespace ringdrop::server {

// An unknown token is a 404. The first bytes are read before the head goes out, so that a broken disk is still a clean
// 500; after the head an error cuts the connection, and a short body never looks whole.
io::Task<io::Result<>> handle_download(const Services& services, std::string_view token, http::ResponseWriter& response,
                                       std::stop_token stop);

}  // namespace ringdrop::server
