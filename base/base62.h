// Base 62: how random secrets become text that survives every shell, URL and e-mail client (0-9 A-Z a-z).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace ringdrop {

inline bool is_base62(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// Turns uniform random bytes into `length` uniform characters by rejection: a byte >= 248 (4 * 62) is skipped, since
// taking it modulo 62 would favour some characters. nullopt when `random` holds too few usable bytes.
std::optional<std::string> base62_from_random(Bytes random, std::size_t length);

}  // namespace ringdrop
