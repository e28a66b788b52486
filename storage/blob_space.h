// What the blob stores of all loops share about the one data directory: the next directory number, what is known of the
// disk, and whether it can still be trusted. Any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ringdrop::storage {

// What an acknowledged upload survives.
enum class Durability : uint8_t {
  full,     // a power cut: data, directory and row are synced before the answer
  process,  // a crash of the process: the kernel writes when it likes
};

struct BlobSpace {
  BlobSpace(Durability durability_now, uint64_t floor_bytes, std::size_t files_kept_open)
      : durability(durability_now), min_free_bytes(floor_bytes), open_files(files_kept_open) {}

  // What uploads may take, as of the last look.
  uint64_t bytes_above_floor() const {
    const uint64_t now = free_bytes.load(std::memory_order_relaxed);
    return now > min_free_bytes ? now - min_free_bytes : 0;
  }

  // So many bytes are being written that were not reserved; until the next look.
  void take(uint64_t bytes) {
    uint64_t now = free_bytes.load(std::memory_order_relaxed);
    while (!free_bytes.compare_exchange_weak(now, now - (now < bytes ? now : bytes), std::memory_order_relaxed)) {
    }
  }

  const Durability durability;
  const uint64_t min_free_bytes;  // below this much free space no upload begins
  const std::size_t open_files;   // that stay open for a moment after a download, of each loop
  std::atomic<uint32_t> next_directory{1};
  std::atomic<uint64_t> free_bytes{0};  // as of the last look
  std::atomic<bool> direct_io{true};    // until the file system has refused O_DIRECT
  // tmpfs, NFS, FUSE: what a sync means there is not known. From BlobStore::prepare() on.
  std::atomic<bool> keeps_no_word{false};
  // A sync failed: what the device holds is unknown, so nothing more is accepted until a restart.
  std::atomic<bool> failed{false};
};

}  // namespace ringdrop::storage
