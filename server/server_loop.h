// What one loop has of its own: buffers, its view of the blobs, the application, its connections, its upkeep.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "db/catalogue.h"
#include "io/buffer_pool.h"
#include "io/event_loop.h"
#include "io/task_scope.h"
#include "io/wait_list.h"
#include "server/application.h"
#include "server/config.h"
#include "server/hot_links.h"
#include "server/http/connections.h"
#include "server/http/limits.h"
#include "server/progress_feed.h"
#include "server/small_contents.h"
#include "storage/blob_store.h"

namespace ringdrop::server {

// What all loops of the server share. All of it outlives them.
struct SharedParts {
  const Config& config;
  const http::HttpLimits& limits;
  storage::BlobSpace& space;
  db::Catalogue& catalogue;
  io::Lane& digest_lane;
  RunningDownloads& running_downloads;
  UploadRegistry& uploads;
  ProgressHub& progress;
  WatcherCounts& watchers;
  const std::string& own_host;
  std::span<io::EventLoop* const> loops;
};

class ServerLoop {
 public:
  // `memory_bytes`: this loop's part of the budget.
  ServerLoop(io::EventLoop& loop, const SharedParts& shared, uint64_t memory_bytes);

  // On its own loop, first. Errors of storage.
  io::Task<io::Result<>> open();
  // On its own loop, last: connections end after their answer, at `cut_at` whatever they do; then everything that is
  // open on the ring is closed.
  io::Task<bool> close(io::TimePoint cut_at);
  // On its own loop: does not wait for `cut_at`.
  io::Task<bool> cut();

  io::EventLoop& loop() { return loop_; }
  storage::BlobStore& blobs() { return *blobs_; }
  http::Connections& connections() { return *connections_; }

 private:
  io::Task<> upkeep();
  io::Task<> make_checkpoints();
  io::Task<> write_download_counts();
  io::Task<> cut_later(io::TimePoint cut_at);

  io::EventLoop& loop_;
  const SharedParts shared_;
  io::BufferPool pool_;
  DownloadCounts download_counts_;
  HotLinks hot_links_;
  SmallContents small_contents_;
  ProgressFeed feed_;
  std::unique_ptr<storage::BlobStore> blobs_;
  std::optional<Application> application_;
  std::optional<http::Connections> connections_;
  io::WaitList pause_;
  io::WaitList checkpoint_pressing_;
  io::TaskScope scope_;
};

}  // namespace ringdrop::server
