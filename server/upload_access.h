// Who may upload: everybody, or who knows upload_token. Pure.
#pragma once

#include <optional>
#include <string>

#include "proto/http_message.h"
#include "server/config.h"

namespace ringdrop::server {

// By `Authorization: Bearer SECRET`, or as the password of Basic (RFC 6750, RFC 7617), compared in constant time.
bool may_upload(const Config& config, const proto::RequestHead& request);

// The secret in `Authorization: Bearer SECRET`; nullopt without such a field.
std::optional<std::string> bearer_secret(const proto::RequestHead& request);

}  // namespace ringdrop::server
