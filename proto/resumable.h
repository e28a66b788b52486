// The fields of resumable uploads for HTTP (draft-ietf-httpbis-resumable-upload), as structured fields (RFC 9651).
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/http_message.h"

namespace ringdrop::proto {

inline constexpr std::string_view kPartialUpload = "application/partial-upload";
inline constexpr int64_t kInteropVersion = 8;

// A request's fields; one that is missing, or of another type than the draft says, is absent (RFC 9651 1.1: ignored).
struct ResumableFields {
  std::optional<bool> complete;    // Upload-Complete
  std::optional<bool> incomplete;  // Upload-Incomplete, its contrary: what the drafts before 03 have
  std::optional<uint64_t> offset;  // Upload-Offset
  std::optional<uint64_t> length;  // Upload-Length
  // Upload-Draft-Interop-Version:
  bool wants_interim = false;  // 8: it understands 104
  bool older_draft = false;    // 5 or 6 (drafts 03 and 05): the file is described by Upload-Metadata
  bool unknown_draft = false;  // another number: what these fields mean there nobody here knows
};
ResumableFields read_resumable_fields(const Fields& fields);

// "?1", "?0".
std::string_view format_sf_boolean(bool value);

}  // namespace ringdrop::proto
