// Limits of the process: raised or read once, at start.
#pragma once

#include <cstdint>

namespace ringdrop::io {

// Raises RLIMIT_NOFILE to the hard limit; returns what is in force then.
uint64_t raise_descriptor_limit();
// The calling thread asks for the CPU often and for little at a time, and so do those that it makes afterwards: who
// answers requests waits no whole slices of others for its turn (sched_setattr(2), from Linux 6.12 on; before it
// nothing changes).
void prefer_short_slices();

// Bytes that may be locked (registered buffers): UINT64_MAX when there is no limit or CAP_IPC_LOCK is held.
uint64_t lockable_bytes();

// What this process creates from now on is for its own user alone (umask 077).
void keep_files_private();

// CPUs that this process may run on; at least 1.
unsigned usable_cpus();

}  // namespace ringdrop::io
