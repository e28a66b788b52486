// What the catalogue remembers of one upload that has an id: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "db/link.h"
#include "io/clock.h"

namespace ringdrop::db {

enum class UploadState : uint8_t {
  open,       // unfinished; `file` holds what has come
  complete,   // `token` is its link; a partial one of a concatenation has its file still, and no link
  cancelled,  // by the client
  failed,     // by its content: `reason`
  expired,    // nobody went on with it
  used,       // a partial one whose file belongs to the final one's link now
};

struct Upload {
  std::string id_hash;  // SHA-256 of the upload id, 32 bytes
  UploadState state = UploadState::open;
  std::optional<uint64_t> file;    // storage's number, while the upload owns one
  std::optional<uint64_t> length;  // declared bytes; absent: not known yet
  io::EpochMs created_at_ms = 0;
  // open: when it expires; else: when it is forgotten.
  io::EpochMs expires_at_ms = 0;
  std::string name;          // bytes
  std::string content_type;  // a valid field value
  std::string metadata;      // Upload-Metadata as sent; "" when there was none
  std::string concat;        // Upload-Concat as sent: "", "partial", "final;..."
  std::string options;       // the uploader's wishes, in the server's own words
  // What was known of its bytes at some durable offset: checksums and digests in the making, in the server's own words.
  std::string progress;
  std::string token;   // of the link; "" before it is complete
  std::string watch;   // its watch id
  std::string reason;  // why it failed
};

// An unfinished one and the file that it owns.
struct OpenUpload {
  std::string id_hash;
  uint64_t file = 0;
};

}  // namespace ringdrop::db
