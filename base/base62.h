// Base 62: how random secrets become text that survives every shell, URL and e-mail client (0-9 A-Z a-z).
#pragma once

#include <array>
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

// 16 bytes as a big-endian number of 22 digits, leading zeros included, and back; nullopt: not 22 digits, or a number
// that takes more than 16 bytes.
using Block128 = std::array<unsigned char, 16>;
inline constexpr std::size_t kBlockDigits = 22;
std::string base62_from_block(const Block128& block);
std::optional<Block128> block_from_base62(std::string_view text);

}  // namespace ringdrop
