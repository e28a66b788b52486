// Disk space that is held behind the bytes of unfinished uploads, for a length that was declared: given back when
// nobody goes on with them. Their bytes stay; who comes back reserves again.
#pragma once

#include <cstdint>

#include "db/catalogue.h"
#include "io/event_loop.h"
#include "io/task.h"
#include "server/upload_registry.h"
#include "storage/blob_store.h"

namespace ringdrop::server {

// How long an upload may hold space without a request.
inline constexpr io::Milliseconds kReservationPatience{600'000};

// Of uploads without a request since `idle_since`: a bounded number. Errors of storage; the next call tries again.
io::Task<io::Result<>> release_reservations(io::EventLoop& loop, storage::BlobStore& blobs, UploadRegistry& uploads,
                                            io::TimePoint idle_since);

// After a start, of the uploads that the last process has left: a bounded number, from the file `next_file` on, which
// moves on. false: that was the last of them. Errors of storage and catalogue.
io::Task<io::Result<bool>> release_left_reservations(io::EventLoop& loop, storage::BlobStore& blobs,
                                                     db::Catalogue& catalogue, UploadRegistry& uploads,
                                                     uint64_t& next_file);

}  // namespace ringdrop::server
