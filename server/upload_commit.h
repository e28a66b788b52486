// The moment an upload becomes a link: blob durable, then the row durable, then the answer (FORMAT.md).
#pragma once

#include <string>

#include "db/catalogue.h"
#include "io/task.h"
#include "server/services.h"
#include "storage/blob_writer.h"

namespace ringdrop::server {

// What the link will say of the file.
struct LinkMeta {
  std::string name;          // "" when it has none
  std::string content_type;  // a valid field value
};

// Commits the blob and writes its row. On an error nothing is visible: a blob that could not be committed is removed;
// one whose row may or may not be durable is left to the next start. no_space, exhausted, system.
io::Task<io::Result<db::Link>> commit_upload(const Services& services, storage::BlobWriter& writer, LinkMeta meta);

}  // namespace ringdrop::server
