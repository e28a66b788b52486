// The sweeper: removes the rows of links that have ended, and the files of links that are gone.
#pragma once

#include "db/catalogue.h"
#include "io/event_loop.h"
#include "io/task.h"
#include "server/config.h"
#include "server/running_downloads.h"
#include "server/upload_registry.h"
#include "storage/blob_store.h"

namespace ringdrop::server {

// One round over a bounded number of each; what is being downloaded stays until it is not. true: there may be more.
// Errors of storage and catalogue: nothing is lost, the next round tries again. no_space: rows could not go, but files
// that were garbage already did.
io::Task<io::Result<bool>> sweep(io::EventLoop& loop, storage::BlobStore& blobs, db::Catalogue& catalogue,
                                 RunningDownloads& running);

// Uploads: removes the bytes of those that have expired, forgets those that have ended long ago. true: there may be
// more.
io::Task<io::Result<bool>> sweep_uploads(io::EventLoop& loop, db::Catalogue& catalogue, UploadRegistry& uploads,
                                         ProgressHub& progress, const Config& config);

// An unfinished upload that nobody goes on with ends in `state`, under its claim: `reason` is what its watchers are
// told, and its bytes become garbage. `row`: as it is in the catalogue. refused: it had ended before; no_space, system.
io::Task<io::Result<>> abandon_upload(io::EventLoop& loop, db::Catalogue& catalogue, ProgressHub& progress,
                                      const Config& config, db::Upload row, db::UploadState state, const char* reason);

}  // namespace ringdrop::server
