// Files in the kernel's memory: what of them is there, and sending it from there without a copy. What UringRing's
// immediate calls are made of; see Ring.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "io/ring.h"

namespace ringdrop::io {

void* map_file_pages(int fd, uint64_t bytes);
void unmap_file_pages(void* pages, uint64_t bytes);
bool pages_in_memory(const void* pages, uint64_t offset, std::size_t bytes);
Result<SentNow> send_file_without_waiting(int socket, Bytes head, int file, uint64_t offset, std::size_t bytes);

}  // namespace ringdrop::io
