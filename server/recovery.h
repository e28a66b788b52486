// What a crash can have left is looked at before the first request: files in unsettled directories that no row names
// are removed, rows there whose file is missing are reported. The work is bounded by what was being written, not by
// what is stored. May itself be killed: the next start does it again.
#pragma once

#include <cstdint>
#include <stop_token>

#include "db/catalogue.h"
#include "io/event_loop.h"
#include "io/task.h"
#include "storage/blob_store.h"

namespace ringdrop::server {

struct RecoveryReport {
  uint32_t directories = 0;    // looked at
  uint32_t removed_files = 0;  // without a row
  uint32_t missing_files = 0;  // named by a row, not there
};

// Precondition: nothing is being uploaded. Errors of storage and catalogue; cancelled: asked to stop
// between two directories, the next start goes on.
io::Task<io::Result<RecoveryReport>> recover(io::EventLoop& loop, storage::BlobStore& blobs, db::Catalogue& catalogue,
                                             std::stop_token stop);

}  // namespace ringdrop::server
