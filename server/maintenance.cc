#include "server/maintenance.h"

#include <fmt/format.h>

#include <cstdio>
#include <utility>

#include "server/cli.h"

namespace ringdrop::server {

std::string catalogue_path(const std::string& data_dir) {
  return data_dir + "/catalogue.sqlite3";
}

void complain(const char* command, std::string_view what, const std::string& where, const io::Error& error) {
  std::fputs(fmt::format("ringdrop {}: {} ({}): {}\n", command, what, where, io::describe(error)).c_str(), stderr);
}

std::optional<DataDirectory> open_data_directory(const char* command, const std::string& data_dir, int& exit_code) {
  exit_code = kExitConfig;
  io::Result<storage::BlobTree> tree = storage::BlobTree::open(data_dir);
  if (!tree) {
    complain(command, "this is no data directory", data_dir, tree.error());
    return std::nullopt;
  }
  io::Result<db::CatalogueAudit> catalogue = db::CatalogueAudit::open(catalogue_path(data_dir));
  if (!catalogue) {
    const bool damaged = catalogue.error().code == io::Errc::corrupt;
    if (damaged) exit_code = kExitFindings;
    complain(command, damaged ? "the catalogue is damaged" : "the catalogue cannot be read", data_dir,
             catalogue.error());
    return std::nullopt;
  }
  return DataDirectory{*std::move(tree), *std::move(catalogue)};
}

std::string shortened(const std::string& token) {
  static constexpr std::size_t kShown = 6;
  return token.substr(0, kShown) + "...";
}

storage::Extent extent_of(const db::Extent& extent) {
  storage::Extent same;
  same.file = storage::BlobId{extent.file};
  same.length_bytes = extent.length_bytes;
  same.checksums = extent.checksums;
  return same;
}

}  // namespace ringdrop::server
