// The table of everything that a client may be refused with: status, stable code, sentence. The list in the README is
// this list.
#pragma once

#include <string_view>

#include "io/error.h"
#include "io/task.h"
#include "proto/http_message.h"
#include "server/http/response_writer.h"

namespace ringdrop::server::errors {

inline constexpr proto::Rejection kNotFound{404, "not_found", "there is no such file here, or not any more"};
inline constexpr proto::Rejection kMethodNotAllowed{405, "method_not_allowed", "this method does not apply here"};
inline constexpr proto::Rejection kUnsupportedMethod{501, "unsupported_method", "this method is not supported"};
inline constexpr proto::Rejection kContentRange{400, "content_range",
                                                "a PUT with Content-Range is not supported: upload the whole file"};
inline constexpr proto::Rejection kBadName{400, "bad_name", "the file name is not validly percent-encoded"};
inline constexpr proto::Rejection kSizeLimit{413, "size_limit_exceeded", "the file is larger than this server takes"};
inline constexpr proto::Rejection kNoSpace{507, "storage_full", "there is not enough space left for this file"};
inline constexpr proto::Rejection kBusy{503, "busy", "the server is at a limit, try again soon"};
inline constexpr proto::Rejection kStalled{408, "stalled", "the transfer moved too little for too long"};
inline constexpr proto::Rejection kStorage{500, "storage_error", "the server could not store or read the file"};

}  // namespace ringdrop::server::errors

namespace ringdrop::server {

// How an error of storage or catalogue is answered.
proto::Rejection rejection_for(const io::Error& error);

// The answer: one line of text with status, code and sentence. `allow` fills Allow (405).
io::Task<io::Result<>> send_rejection(const proto::Rejection& why, http::ResponseWriter& response,
                                      std::string_view allow = {});

}  // namespace ringdrop::server
