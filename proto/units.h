// Durations and sizes as people write them in configuration and requests.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringdrop::proto {

// "30s" "15m" "36h" "7d" (a whole number and one unit) -> milliseconds; also "250ms". nullopt for
// anything else, negatives and overflow.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

// "0" "512" (bytes) "64KiB" "8MiB" "40GiB" "5TiB"; also "KB" "MB" "GB" "TB" (powers of 1000) and
// "B". nullopt for anything else and overflow.
std::optional<uint64_t> parse_size(std::string_view text);

// The largest unit that divides it, e.g. 67108864 -> "64MiB"; 1500 -> "1500B". For messages.
std::string format_size(uint64_t bytes);

}  // namespace ringdrop::proto
