// Which web pages' scripts may use this server (the Fetch standard's CORS protocol). Pure but for the answer's fields.
#pragma once

#include "proto/http_message.h"
#include "server/config.h"
#include "server/http/response_writer.h"

namespace ringdrop::server {

// Adds what a script of a listed origin needs to see the answer. Never credentials.
void add_cors_fields(const Config& config, const proto::RequestHead& request, http::ResponseWriter& response);

// Whether the OPTIONS asks what a script may do (a preflight) and its origin is listed; then `fields` say so.
bool answer_preflight(const Config& config, const proto::RequestHead& request, std::string_view allow,
                      proto::Fields& fields);

}  // namespace ringdrop::server
