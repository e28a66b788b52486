// What unfinished uploads give up for a disk that has less free space than the floor, because something else has filled
// it: the space that is held behind their bytes, and then the oldest their bytes. Uploads never take from the floor, so
// no client can drive out another's upload.
#pragma once

#include <optional>

#include "db/catalogue.h"
#include "io/clock.h"
#include "io/event_loop.h"
#include "io/task.h"
#include "server/config.h"
#include "server/progress_hub.h"
#include "server/upload_registry.h"
#include "storage/blob_store.h"

namespace ringdrop::server {

class DiskRelief {
 public:
  // All outlive it. Used on `loop`.
  DiskRelief(io::EventLoop& loop, db::Catalogue& catalogue, UploadRegistry& uploads, ProgressHub& progress,
             const Config& config)
      : loop_(loop), catalogue_(catalogue), uploads_(uploads), progress_(progress), config_(config) {}

  // Whether so much of the disk is free that nobody waits for more. system.
  io::Task<io::Result<bool>> has_plenty(storage::BlobStore& blobs) const;

  // Looks at the disk, and does what is needed; for every round of the sweeper. Uploads that a request has at this
  // moment give nothing, and bytes go one upload at a time: file systems tell of freed space late. `all_space_known`:
  // no space is held that the registry does not know of. true: garbage was made. Errors of storage and catalogue;
  // nothing is lost.
  io::Task<io::Result<bool>> step(storage::BlobStore& blobs, bool all_space_known);

 private:
  io::Task<io::Result<bool>> give_up_oldest(uint64_t free_bytes);
  io::Task<io::Result<bool>> give_up(UploadRegistry::Claim& claim);

  io::EventLoop& loop_;
  db::Catalogue& catalogue_;
  UploadRegistry& uploads_;
  ProgressHub& progress_;
  const Config& config_;
  std::optional<io::TimePoint> since_;  // when the disk began to be short, or an upload gave way
};

}  // namespace ringdrop::server
