// What the requests of tus 1.0.0 say, read from their heads and checked. Nothing is answered here.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <variant>

#include "proto/http_message.h"
#include "server/exchange.h"
#include "server/services.h"
#include "server/upload_concat.h"
#include "server/upload_resource.h"

namespace ringdrop::server {

bool speaks_tus_1(const proto::RequestHead& request);
// Content-Type: application/offset+octet-stream.
bool has_tus_content(const proto::RequestHead& request);

// A creation: of an upload, partial or not, or of the concatenation of parts. 400, 401, 403, 413.
using TusCreation = std::variant<UploadCreation, Concatenation>;
std::expected<TusCreation, proto::Rejection> read_tus_creation(const Services& services,
                                                               const proto::RequestHead& request);

// Upload-Checksum in the head or announced as a trailer, and Content-Digest. 400.
std::expected<AppendWishes, proto::Rejection> read_tus_checksum(const proto::RequestHead& request);

// What a PATCH may not be, before its body is asked for. `new_length`: the length that it declares, where it does.
std::optional<proto::Rejection> check_tus_patch(const Exchange& exchange, const Config& config,
                                                const UploadResource& upload, std::optional<uint64_t>& new_length);

}  // namespace ringdrop::server
