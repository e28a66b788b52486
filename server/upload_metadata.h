// Upload-Metadata (tus 1.0.0; also interop versions 5 and 6 of resumable uploads for HTTP): what a creation says of the
// file beside its bytes. Pure.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "proto/http_message.h"
#include "server/upload_options.h"

namespace ringdrop::server {

struct FileDescription {
  std::string name;          // `filename`; "" when it has none
  std::string content_type;  // `filetype`, as sent; "" when there is none
};

// Reads `field`; its options (`expires`, `max_downloads`, ...) go to `options`, other keys are the client's own.
// 400 bad_upload_metadata, bad_name, option_conflict.
std::expected<FileDescription, proto::Rejection> read_upload_metadata(std::string_view field, OptionCollector& options);

}  // namespace ringdrop::server
