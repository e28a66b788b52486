// Base64 (RFC 4648 4), with padding. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ringdrop::proto {

std::string base64_encode(std::string_view bytes);

// Strict: the standard alphabet, padded to a multiple of four, no white space, unused bits zero. nullopt otherwise.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace ringdrop::proto
