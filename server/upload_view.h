// What can be seen of an upload that has an id without touching it: by its uploader (GET /uploads/{id}) and by those
// who watch it. Never takes it from the request that has it.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "db/upload.h"
#include "io/task.h"
#include "server/exchange.h"
#include "server/progress.h"
#include "server/progress_hub.h"
#include "server/services.h"

namespace ringdrop::server {

// The catalogue's row of an upload, as the sweeper will have it, which may not have come by yet: an unfinished one
// whose time is over has expired, one that had ended is not known any more (kNoUpload). Suspends.
io::Task<std::expected<db::Upload, proto::Rejection>> find_upload(const Services& services, std::string_view id);
// The record of an upload that the catalogue knows; made, when nobody holds one of an unfinished one. nullptr: it has
// ended, see progress_of(). Errors of storage: its file cannot be looked at. Suspends.
io::Task<io::Result<ProgressHub::Ptr>> record_of(const Services& services, const db::Upload& row);
// Of one that has ended, by what the catalogue says.
Progress progress_of(const db::Upload& row);

// GET /uploads/{id}.
io::Task<io::Result<>> handle_upload_view(const Services& services, const Exchange& exchange, std::string_view id);

}  // namespace ringdrop::server
