#include "server/upload_id.h"

#include <algorithm>
#include <optional>

#include "base/base62.h"
#include "db/tokens.h"
#include "proto/digest.h"

namespace ringdrop::server {
namespace {

std::string derive(std::string_view upload_id, const std::string& purpose) {
  // 8 in 256 bytes are of no use for base 62: nearly always the first 32 have enough.
  std::string bytes;
  for (;;) {
    bytes += proto::hmac_sha256(upload_id, purpose + std::string(bytes.size() / 32, '+'));
    const std::optional<std::string> name = base62_from_random(as_bytes(bytes), db::kLinkTokenCharacters);
    if (name) return *name;
  }
}

}  // namespace

bool is_upload_id(std::string_view text) {
  const auto allowed = [](char c) { return is_base62(c) || c == '-' || c == '_'; };
  return text.size() >= 22 && text.size() <= 64 && std::ranges::all_of(text, allowed);
}

std::string make_upload_id(io::Ring& ring) {
  return db::make_link_token(ring);
}

std::string watch_id_of(std::string_view upload_id) {
  return derive(upload_id, "watch");
}

std::string delete_token_of(std::string_view upload_id) {
  return derive(upload_id, "delete");
}

}  // namespace ringdrop::server
