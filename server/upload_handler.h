// Uploads: PUT /{name}, PUT / and POST /. The body is one file, or a form of several.
#pragma once

#include <string_view>

#include "io/task.h"
#include "server/exchange.h"
#include "server/services.h"

namespace ringdrop::server {

// The raw body becomes a file; `encoded_name` is the path's segment, still percent-encoded; where it names nothing, the
// query's `name` or Content-Disposition does. What can be refused by the head is refused before a 100 is sent.
io::Task<io::Result<>> handle_upload(const Services& services, const Exchange& exchange, std::string_view encoded_name);

// multipart/form-data: each file part becomes a file, all of them or none; any other type: as handle_upload().
io::Task<io::Result<>> handle_post(const Services& services, const Exchange& exchange);

}  // namespace ringdrop::server
