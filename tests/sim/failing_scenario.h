// "The Nth operation fails" for what clients of the workload do one after the other: for every N until the scenario
// passes untouched, the answers are proper, the server goes on, and after a start without failures everything that was
// told is true.
#pragma once

#include <cstdint>

#include "io/task.h"
#include "tests/sim/workload.h"

namespace ringdrop::sim {

// Its clients note what they are told in life.known().
using Scenario = io::Task<> (*)(Life& life);

// Each operation on the disk, with each errno of kDiskErrors; there are more than `least`.
void fail_each_disk_operation(Scenario scenario, uint64_t least);
// The same with each write and sync of the catalogue and all that come after it, until the process is killed.
void fail_each_catalogue_write(Scenario scenario, uint64_t least);

}  // namespace ringdrop::sim
