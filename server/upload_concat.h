// A tus concatenation (tus 1.0.0, extension "concatenation"): complete partial uploads become the extents of one link.
// No byte is read or moved; one transaction does it.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "io/task.h"
#include "server/services.h"
#include "server/upload_commit.h"
#include "server/upload_options.h"
#include "server/upload_resource.h"

namespace ringdrop::server {

struct Concatenation {
  std::vector<std::string> parts;  // URLs of the parts, in order, as the client names them
  FileMeta meta;
  std::string metadata;  // Upload-Metadata as sent
  std::string concat;    // Upload-Concat as sent
  UploadOptions options;
};

struct Concatenated {
  std::string id;  // of the final upload
  std::string watch_id;
  CreatedLink link;
  uint64_t length_bytes = 0;
  io::EpochMs expires_at_ms = 0;  // when the final upload (not its link) is forgotten
};

// Takes the parts over from the requests that have them, and makes the link of them: durable. A part that has all its
// bytes and was kept from its end by a crash is completed first. `cut` ends this request when it is superseded at a
// part. 400: one is no partial upload, or not what its digest says; 404, 410: it is not known (any more); 409: not
// complete, or a chosen id is in use; 413: together they are too large; 503: one could not be had in time. Then no link
// was made, and no part is used. Suspends.
io::Task<UploadResource::Outcome<Concatenated>> concatenate(const Services& services, Concatenation wanted,
                                                            std::stop_source cut);

}  // namespace ringdrop::server
