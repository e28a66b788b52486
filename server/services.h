// What a handler works with: the parts of one loop and those that all loops share. Nothing is owned here; all of it
// outlives every connection.
#pragma once

#include <span>

#include "db/catalogue.h"
#include "io/buffer_pool.h"
#include "io/event_loop.h"
#include "io/wait_list.h"
#include "io/worker.h"
#include "server/config.h"
#include "server/download_counts.h"
#include "server/hot_links.h"
#include "server/progress_feed.h"
#include "server/progress_hub.h"
#include "server/running_downloads.h"
#include "server/small_contents.h"
#include "server/upload_registry.h"
#include "storage/blob_store.h"

namespace ringdrop::server {

struct Services {
  const Config& config;
  io::EventLoop& loop;
  io::BufferPool& pool;
  storage::BlobStore& blobs;
  db::Catalogue& catalogue;
  io::Lane& digest_lane;
  DownloadCounts& download_counts;
  HotLinks& hot_links;
  SmallContents& small_contents;
  io::WaitList& checkpoint_pressing;  // to be woken when a write has made Catalogue::is_checkpoint_pressing()
  RunningDownloads& running_downloads;
  UploadRegistry& uploads;
  ProgressHub& progress;
  ProgressFeed& feed;
  std::span<io::EventLoop* const> all_loops;
};

}  // namespace ringdrop::server
