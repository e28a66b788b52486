// The moment uploads become links: blobs durable, then their rows durable in one transaction, then the answer
// (FORMAT.md).
#pragma once

#include <string>
#include <vector>

#include "db/catalogue.h"
#include "io/task.h"
#include "server/incoming_file.h"
#include "server/services.h"
#include "server/upload_options.h"

namespace ringdrop::server {

struct CreatedLink {
  db::Link link;             // from publish(): without content
  std::string delete_token;  // the uploader's secret; the catalogue has its hash
};

// A link for a file; its secrets are new, `delete_token` too when it is empty.
CreatedLink make_link(const Services& services, StoredFile& file, const UploadOptions& options,
                      std::string delete_token);

// Writes the rows of all files, or of none. On an error nothing is visible: the blobs are removed, but for those whose
// rows may or may not be durable, which are left to the next start. no_space, exhausted, system.
io::Task<io::Result<std::vector<CreatedLink>>> publish(const Services& services, std::vector<StoredFile> files,
                                                       const UploadOptions& options);

// None of them is to be seen.
io::Task<> discard_all(std::vector<StoredFile>& files);

}  // namespace ringdrop::server
