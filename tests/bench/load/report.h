// What a run came to, as one JSON object on standard output: seconds (from the first request to the last answer),
// counts, bytes both ways, latency in microseconds, and what the client itself cost.
#pragma once

#include "tests/bench/load/worker.h"

namespace load {

void print_report(const Outcome& outcome);

}  // namespace load
