// What the catalogue remembers of one link: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "io/clock.h"

namespace ringdrop::db {

inline constexpr std::size_t kMostExtents = 64;
// One XXH3-128 for each started 64 MiB of an extent.
inline constexpr std::size_t kChecksumBytes = 16;
inline constexpr uint64_t kChecksummedBytes = 64 * kMiB;

// A file on disk and how many of its bytes, from its start, belong to the link.
struct Extent {
  uint64_t file = 0;  // storage's number for it, below 2^63; unknown to the catalogue otherwise
  uint64_t length_bytes = 0;
  std::string checksums;  // kChecksumBytes for each kChecksummedBytes
};

// A finished upload: its bytes are durable on disk before it becomes a row.
struct Link {
  std::string token;
  std::string name;          // as the client gave it, any bytes
  std::string content_type;  // UTF-8
  uint64_t size_bytes = 0;   // the sum of the extents' lengths, below 2^63
  io::EpochMs created_at_ms = 0;
  std::vector<Extent> extents;  // 1 to kMostExtents, in order; an empty blob has one of length 0
};

}  // namespace ringdrop::db
