// GET /watch/{watch id} and GET /uploads/{id}/progress: how far an upload has come, as websocket messages, as
// server-sent events, as a page with a bar, or as one JSON snapshot, by what the client asks for.
#pragma once

#include <string_view>

#include "io/task.h"
#include "server/exchange.h"
#include "server/services.h"

namespace ringdrop::server {

io::Task<io::Result<>> handle_watch(const Services& services, const Exchange& exchange, std::string_view watch_id);
io::Task<io::Result<>> handle_upload_progress(const Services& services, const Exchange& exchange, std::string_view id);

}  // namespace ringdrop::server
