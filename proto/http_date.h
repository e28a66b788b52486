// IMF-fixdate, the one date format that is sent (RFC 9110 5.6.7); all three are accepted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringdrop::proto {

// Seconds since 1970 UTC <-> "Sun, 06 Nov 1994 08:49:37 GMT". Parses IMF-fixdate, RFC 850 and
// asctime forms; `now` decides the century of an RFC 850 date. nullopt for anything else.
std::string format_http_date(int64_t epoch_seconds);
std::optional<int64_t> parse_http_date(std::string_view text, int64_t now_epoch_seconds);

}  // namespace ringdrop::proto
