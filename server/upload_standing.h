// Where an upload that has an id stands, as HEAD and GET /uploads/{id} tell it: in the fields of the protocol that asks
// (tus_standing_fields(), resumable_standing_fields()).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "io/clock.h"
#include "server/upload_commit.h"

namespace ringdrop::server {

struct UploadStanding {
  uint64_t offset_bytes = 0;  // durable
  std::optional<uint64_t> length;
  bool complete = false;
  io::EpochMs expires_at_ms = 0;
  std::string metadata;             // Upload-Metadata as sent
  std::string concat;               // Upload-Concat as sent
  std::optional<CreatedLink> link;  // of a complete one, while it has not ended
};

}  // namespace ringdrop::server
