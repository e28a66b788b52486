// What unfinished uploads give up for a disk that has less free space than the floor, because something else has filled
// it: the space that is held behind their bytes, and then the oldest their bytes. Uploads never take from the floor, so
// no client can drive out another's upload.
#pragma once

#include "db/catalogue.h"
#include "io/event_loop.h"
#include "io/task.h"
#include "server/config.h"
#include "server/progress_hub.h"
#include "server/upload_registry.h"
#include "storage/blob_store.h"

namespace ringdrop::server {

// One step, where one is needed: uploads that a request has at this moment give nothing. true: garbage was made, and
// when it is removed there may be need for another step. Errors of storage and catalogue; nothing is lost.
io::Task<io::Result<bool>> relieve_disk(io::EventLoop& loop, storage::BlobStore& blobs, db::Catalogue& catalogue,
                                        UploadRegistry& uploads, ProgressHub& progress, const Config& config);

}  // namespace ringdrop::server
