// The tus 1.0.0 protocol over UploadResource: core, creation, creation-with-upload, creation-defer-length, expiration,
// termination, checksum. https://tus.io/protocols/resumable-upload
#pragma once

#include <string_view>

#include "io/task.h"
#include "server/exchange.h"
#include "server/services.h"
#include "server/upload_standing.h"

namespace ringdrop::server {

// POST /uploads.
io::Task<io::Result<>> handle_tus_creation(const Services& services, const Exchange& exchange);

// HEAD, PATCH, DELETE /uploads/{id}; `method` is the request's, or what X-HTTP-Method-Override says instead of POST.
io::Task<io::Result<>> handle_tus_upload(const Services& services, const Exchange& exchange, proto::Method method,
                                         std::string_view id);

// What HEAD tells of an upload: Upload-Offset, Upload-Expires, Upload-Length or Upload-Defer-Length, Upload-Metadata
// and Upload-Concat as sent, and of a complete one Upload-Link and add_link_fields(); not to be stored.
proto::Fields tus_standing_fields(const Exchange& exchange, const UploadStanding& upload);

// What OPTIONS tells of it.
void add_tus_discovery(const Config& config, proto::Fields& fields);

}  // namespace ringdrop::server
