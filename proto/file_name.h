// A client's name for a file: data for headers, never a path.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "proto/http_message.h"

namespace ringdrop::proto {

inline constexpr std::size_t kFileNameBytes = 255;

// Checks the decoded bytes of a name, kept as they are (no normalisation): "", "." and ".." mean no
// name and give "". 400 bad_name: over 255 bytes, NUL or '/'.
std::expected<std::string, Rejection> accept_file_name(std::string bytes);

// The name for logs and quoted ASCII parameters: controls, '"', '\\', DEL and non-ASCII bytes
// become '_'.
std::string ascii_file_name(std::string_view name);

// The name as valid UTF-8: each maximal invalid sequence becomes U+FFFD (Unicode 3.9, WHATWG
// decoding).
std::string utf8_file_name(std::string_view name);

}  // namespace ringdrop::proto
