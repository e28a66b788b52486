#include "server/upload_metadata.h"

#include <optional>
#include <utility>

#include "proto/file_name.h"
#include "proto/tus.h"

namespace ringdrop::server {

std::expected<FileDescription, proto::Rejection> read_upload_metadata(std::string_view field,
                                                                      OptionCollector& options) {
  FileDescription file;
  const auto metadata = proto::parse_tus_metadata(field);
  if (!metadata) return std::unexpected(metadata.error());
  for (const auto& [key, value] : *metadata) {
    if (key == "filename") {
      auto name = proto::accept_file_name(value);
      if (!name) return std::unexpected(name.error());
      file.name = std::move(*name);
    }
    if (key == "filetype") file.content_type = value;
    const std::optional<proto::Rejection> refused = options.add(key, value);
    if (refused) return std::unexpected(*refused);
  }
  return file;
}

}  // namespace ringdrop::server
