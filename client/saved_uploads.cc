#include "client/saved_uploads.h"

#include "base/bytes.h"
#include "io/small_file.h"
#include "proto/digest.h"

namespace ringdrop::client {
namespace {

constexpr std::size_t kMostStateBytes = 64 * kKiB;

}  // namespace

std::string SavedUploads::directory(const char* xdg_state_home, const char* home) {
  if (xdg_state_home && xdg_state_home[0] == '/') return std::string(xdg_state_home) + "/ringdrop";
  if (home && home[0] == '/') return std::string(home) + "/.local/state/ringdrop";
  return {};
}

// A name of fixed length, whatever the path holds.
std::string SavedUploads::file_of(const UploadKey& key) const {
  const std::string identity =
      key.server + '\0' + key.path + '\0' + std::to_string(key.size_bytes) + '\0' + std::to_string(key.modified_ns);
  return directory_ + "/upload-" + proto::to_hex(proto::sha256(identity)) + ".json";
}

std::optional<proto::SavedUpload> SavedUploads::load(const UploadKey& key) const {
  if (directory_.empty()) return std::nullopt;
  const io::Result<std::string> content = io::read_small_file(file_of(key), kMostStateBytes);
  if (!content) return std::nullopt;
  std::optional<proto::SavedUpload> saved = proto::parse_saved_upload(*content);
  const bool same = saved && saved->server == key.server && saved->path == key.path &&
                    saved->size_bytes == key.size_bytes && saved->modified_ns == key.modified_ns;
  return same ? saved : std::nullopt;
}

io::Result<> SavedUploads::save(const UploadKey& key, const std::string& protocol, const std::string& location) const {
  if (directory_.empty()) return {};
  proto::SavedUpload upload;
  upload.server = key.server;
  upload.path = key.path;
  upload.size_bytes = key.size_bytes;
  upload.modified_ns = key.modified_ns;
  upload.protocol = protocol;
  upload.location = location;
  return io::replace_small_file(file_of(key), proto::format_saved_upload(upload));
}

io::Result<> SavedUploads::remove(const UploadKey& key) const {
  if (directory_.empty()) return {};
  return io::remove_small_file(file_of(key));
}

}  // namespace ringdrop::client
