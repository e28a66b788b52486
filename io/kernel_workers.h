// The threads that the kernel keeps for our rings' operations that block (io-wq).
#pragma once

#include <cstddef>

namespace ringdrop::io {

// How many there are now, of all rings of the process, by their names in /proc. Blocks: it belongs on a worker lane. 0
// where there is no /proc.
std::size_t count_kernel_workers();

}  // namespace ringdrop::io
