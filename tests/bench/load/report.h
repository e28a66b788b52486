// What a run came to, as one JSON object on standard output: seconds (from the first request to the last answer) and
// run_seconds (to the end, where what is under way may be cut), counts, bytes of the requests that were answered, both
// ways, and all that were sent and received, latency in microseconds, what the client itself cost, whether it had
// short slices of the CPU, and for how many seconds no CPU ran (null: not known).
#pragma once

#include <cstdint>
#include <optional>

#include "tests/bench/load/worker.h"

namespace load {

// `stopped`: nanoseconds in which no CPU ran (stopped_cpus.h).
void print_report(const Outcome& outcome, std::optional<int64_t> stopped);

}  // namespace load
