// Time as the runtime tells it. Deadlines are points on the monotonic clock; what is stored is milliseconds since 1970.
#pragma once

#include <chrono>
#include <cstdint>

namespace ringdrop::io {

using TimePoint = std::chrono::steady_clock::time_point;
using Milliseconds = std::chrono::milliseconds;

// A deadline that never comes: for operations whose end does not depend on a peer (disk, workers).
inline constexpr TimePoint kNever = TimePoint::max();

// Milliseconds since 1970-01-01 UTC.
using EpochMs = int64_t;

}  // namespace ringdrop::io
