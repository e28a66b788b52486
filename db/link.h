// What the catalogue remembers of one link: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
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

// The bytes of a small file that has no file of its own on disk.
struct Content {
  std::string bytes;
  std::string checksums;  // as an extent's
};

// As `expires_at_ms`: the link was deleted. Whatever the clock may say later, it does not come back.
inline constexpr io::EpochMs kEnded = INT64_MIN;

// A finished upload: its bytes are durable on disk before it becomes a row, or are part of it.
struct Link {
  std::string token;
  std::string name;          // as the client gave it, any bytes
  std::string content_type;  // UTF-8
  uint64_t size_bytes = 0;   // of the content, or the sum of the extents' lengths; below 2^63
  io::EpochMs created_at_ms = 0;
  std::string delete_hash;                   // SHA-256 of the delete token, 32 bytes
  std::optional<io::EpochMs> expires_at_ms;  // from then on it is unknown; absent: never
  std::optional<uint64_t> max_downloads;     // at least 1; absent: unlimited
  uint64_t downloads = 0;       // so far, with those in their last piece; of an unlimited link approximately
  std::string sha256;           // of all its bytes, 32 bytes; empty when it was not computed
  std::string sha512;           // 64 bytes, or empty
  std::vector<Extent> extents;  // 1 to kMostExtents, in order, or none where there is content
  std::optional<Content> content;
};

}  // namespace ringdrop::db
