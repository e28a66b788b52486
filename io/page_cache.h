// Files in the kernel's memory: what of them is there, and sending it from there without a copy. What UringRing's
// immediate calls are made of; see Ring.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "io/ring.h"

namespace ringdrop::io {

// Whether mincore(2) is allowed here: a filter of system calls may refuse it.
bool page_cache_can_be_asked();
void* map_file_pages(int fd, uint64_t offset, std::size_t bytes);
void unmap_file_pages(void* pages, std::size_t bytes);
bool pages_in_memory(const void* pages, std::size_t offset, std::size_t bytes);
std::optional<bool> all_pages_cached(int fd, uint64_t offset, std::size_t bytes);
bool byte_reads_at_once(int fd, uint64_t offset);
Result<SentNow> send_file_without_waiting(int socket, Bytes head, int file, uint64_t offset, std::size_t bytes);

}  // namespace ringdrop::io
