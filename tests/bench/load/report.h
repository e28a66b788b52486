// What a run came to, as one JSON object on standard output: seconds (from the first request to the last answer),
// counts, bytes both ways, latency in microseconds, what the client itself cost, and whether it had short slices of the
// CPU.
#pragma once

#include "tests/bench/load/worker.h"

namespace load {

void print_report(const Outcome& outcome);

}  // namespace load
