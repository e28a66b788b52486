// How a ring of ours is set up, and what limits of the process bear on it.
#pragma once

#include <cstddef>
#include <cstdint>

struct io_uring;

namespace ringdrop::io {

// Slots for registered slabs, a slab's number being its slot: 256 of 4 MiB. A loop's budget may have more: those are
// used unregistered.
inline constexpr unsigned kFixedBufferSlots = 256;

// 0, or a negative errno. The ring belongs to the calling thread.
int setup_ring(io_uring& ring);

}  // namespace ringdrop::io
