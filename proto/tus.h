// The fields of the tus resumable upload protocol 1.0.0 (https://tus.io/protocols/resumable-upload). Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/digest.h"
#include "proto/http_message.h"

namespace ringdrop::proto {

inline constexpr std::string_view kTusVersion = "1.0.0";
inline constexpr std::string_view kTusContentType = "application/offset+octet-stream";

// Upload-Length, Upload-Offset: digits alone, below 2^63.
std::optional<uint64_t> parse_tus_number(std::string_view text);

// Upload-Metadata: "key b64,key b64,flag": decoded values by key, in order. 400 bad_upload_metadata: no such list, a
// key twice, broken base64.
std::expected<std::vector<std::pair<std::string, std::string>>, Rejection> parse_tus_metadata(std::string_view text);

// Upload-Concat: "partial", or "final;" and the URLs of the parts as sent, one space between two. 400
// bad_upload_concat.
struct TusConcat {
  bool final = false;
  std::vector<std::string> parts;  // of a final one: 1 to kMostConcatParts
};
inline constexpr std::size_t kMostConcatParts = 64;
std::expected<TusConcat, Rejection> parse_tus_concat(std::string_view text);

// Upload-Checksum: "sha1 b64". 400 bad_upload_checksum: another algorithm than sha1, sha256, md5, or no digest of it.
std::expected<Digest, Rejection> parse_tus_checksum(std::string_view text);

}  // namespace ringdrop::proto
