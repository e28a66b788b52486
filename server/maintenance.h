// What the commands that look after a data directory share: opening it, beside a server or without one, and how they
// speak: findings and the summary on stdout, what went wrong on stderr. They block and run on main's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "db/catalogue_audit.h"
#include "io/error.h"
#include "storage/blob_tree.h"

namespace ringdrop::server {

inline constexpr int kExitFindings = 1;
inline constexpr int kExitInterrupted = 130;  // as a shell reports SIGINT

struct DataDirectory {
  storage::BlobTree tree;
  db::CatalogueAudit catalogue;
};

std::string catalogue_path(const std::string& data_dir);

// Says on stderr what is wrong; then nullopt, and in `exit_code` 1 when the catalogue is damaged, else kExitConfig.
std::optional<DataDirectory> open_data_directory(const char* command, const std::string& data_dir, int& exit_code);

// "ringdrop fsck: the catalogue cannot be read (/srv/data): ..." on stderr.
void complain(const char* command, std::string_view what, const std::string& where, const io::Error& error);

// Enough of a token to find the link by, and too little to fetch it.
std::string shortened(const std::string& token);

storage::Extent extent_of(const db::Extent& extent);

}  // namespace ringdrop::server
