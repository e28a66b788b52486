// Memory of coroutine frames. A request makes a score of them, of the same sizes each time, many too large for malloc's
// quick lists: those that are given back wait for the next one of their size, a bounded number on each thread.
#pragma once

#include <cstddef>

namespace ringdrop::io {

// std::bad_alloc. Any thread may give it back.
void* take_frame(std::size_t bytes);
void give_back_frame(void* frame, std::size_t bytes) noexcept;

}  // namespace ringdrop::io
