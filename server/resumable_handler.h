// Resumable uploads for HTTP (draft-ietf-httpbis-resumable-upload, interop version 8) over UploadResource.
#pragma once

#include <string_view>

#include "io/task.h"
#include "server/exchange.h"
#include "server/services.h"
#include "server/upload_resource.h"

namespace ringdrop::server {

// A creation: PUT /{name}, POST /, POST /uploads with Upload-Complete. `creation` is what the head asks for; its id is
// empty when the client names none. A 104 with the upload's Location goes out first where the client understands it;
// what breaks off is kept. ?1 and all of it there: the ordinary 201 of an upload; ?0: 201 with the upload's Location.
io::Task<io::Result<>> handle_resumable_creation(const Services& services, const Exchange& exchange,
                                                 UploadCreation creation);

// HEAD, PATCH, DELETE /uploads/{id}.
io::Task<io::Result<>> handle_resumable_upload(const Services& services, const Exchange& exchange, proto::Method method,
                                               std::string_view id);

// What HEAD tells of an upload: Upload-Offset, Upload-Complete, Upload-Limit (with what is left of its time),
// Upload-Length, and of a complete one Upload-Link and add_link_fields(); not to be stored.
proto::Fields resumable_standing_fields(const Services& services, const Exchange& exchange,
                                        const UploadStanding& upload);

// What OPTIONS tells of it.
void add_resumable_discovery(const Config& config, proto::Fields& fields);

// Whether a request to create or to append speaks this protocol, in a version that is known here.
bool is_resumable(const proto::RequestHead& request);

}  // namespace ringdrop::server
