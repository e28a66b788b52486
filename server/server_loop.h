// What one loop has of its own: buffers, its view of the blobs, the application, its connections, its upkeep.
#pragma once

#include <memory>
#include <optional>

#include "db/catalogue.h"
#include "io/buffer_pool.h"
#include "io/event_loop.h"
#include "io/task_scope.h"
#include "io/wait_list.h"
#include "server/application.h"
#include "server/config.h"
#include "server/http/connections.h"
#include "server/http/limits.h"
#include "storage/blob_store.h"

namespace ringdrop::server {

class ServerLoop {
 public:
  // All outlive it. `memory_bytes`: this loop's part of the budget.
  ServerLoop(io::EventLoop& loop, const Config& config, const http::HttpLimits& limits, storage::BlobSpace& space,
             db::Catalogue& catalogue, const std::string& own_host, uint64_t memory_bytes);

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
  io::Task<> cut_later(io::TimePoint cut_at);

  io::EventLoop& loop_;
  const Config& config_;
  const http::HttpLimits& limits_;
  storage::BlobSpace& space_;
  db::Catalogue& catalogue_;
  const std::string& own_host_;
  io::BufferPool pool_;
  std::unique_ptr<storage::BlobStore> blobs_;
  std::optional<Application> application_;
  std::optional<http::Connections> connections_;
  io::WaitList pause_;
  io::TaskScope scope_;
};

}  // namespace ringdrop::server
