// Conditional requests (RFC 9110 13): validators, preconditions in the order of 13.2.2, If-Range. Pure. For GET and
// HEAD of a representation that exists.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/http_message.h"

namespace ringdrop::proto {

struct Validators {
  std::string etag;             // a strong one, with its quotes
  int64_t last_modified_s = 0;  // seconds since 1970, as sent in Last-Modified
};

enum class Precondition : uint8_t {
  holds,         // go on
  not_modified,  // 304
  failed,        // 412
};

// If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since, in the order and with the precedence of RFC 9110
// 13.2.2. If-Match compares strongly, If-None-Match weakly; "*" matches. A list with a syntax error matches nothing
// that it does not name before the error. Dates that do not parse are ignored (13.1.3, 13.1.4); `now_s` for two-digit
// years.
Precondition evaluate_preconditions(const Fields& fields, const Validators& validators, int64_t now_s);

// Whether Range is to be heeded: no If-Range, or one that matches (13.1.5): an entity tag by strong comparison, a date
// only when it equals last_modified_s and that is at least a minute before `now_s` (then it is strong, 8.8.2.2).
bool range_applies(const Fields& fields, const Validators& validators, int64_t now_s);

}  // namespace ringdrop::proto
