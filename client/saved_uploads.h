// What is remembered of uploads that have not ended, so that the same command goes on with them after any end of the
// program: one small JSON file each, for its user alone. All calls block: they belong on a worker lane.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "io/error.h"
#include "proto/api_json.h"

namespace ringdrop::client {

// What makes a file and its upload the same as before. A file that was touched is another one.
struct UploadKey {
  std::string server;  // URL
  std::string path;    // absolute
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;
};

class SavedUploads {
 public:
  // "" is a directory that keeps nothing.
  explicit SavedUploads(std::string directory) : directory_(std::move(directory)) {}

  // $XDG_STATE_HOME/ringdrop, else $HOME/.local/state/ringdrop (XDG Base Directory Specification: a relative value does
  // not count); "" when there is neither.
  static std::string directory(const char* xdg_state_home, const char* home);

  // nullopt: there is none, or none that can be read.
  std::optional<proto::SavedUpload> load(const UploadKey& key) const;
  io::Result<> save(const UploadKey& key, const std::string& protocol, const std::string& location) const;
  io::Result<> remove(const UploadKey& key) const;

 private:
  std::string file_of(const UploadKey& key) const;

  std::string directory_;
};

}  // namespace ringdrop::client
