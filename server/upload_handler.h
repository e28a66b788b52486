// PUT /{name} and PUT /: the raw body becomes a file, the answer is its link.
#pragma once

#include <stop_token>
#include <string_view>

#include "io/task.h"
#include "proto/http_message.h"
#include "server/http/body_reader.h"
#include "server/http/response_writer.h"
#include "server/services.h"

namespace ringdrop::server {

// `encoded_name` is the path's segment. Everything that can be refused is refused before the body is asked for, so that
// a client that waits for 100 Continue sends nothing in vain.
io::Task<io::Result<>> handle_upload(const Services& services, const proto::RequestHead& request,
                                     std::string_view encoded_name, http::BodyReader& body,
                                     http::ResponseWriter& response, std::stop_token stop);

}  // namespace ringdrop::server
