// What a handler works with: the parts of one loop and those that all loops share. Nothing is owned here; all of it
// outlives every connection.
#pragma once

#include <string>

#include "db/catalogue.h"
#include "io/buffer_pool.h"
#include "io/event_loop.h"
#include "server/config.h"
#include "storage/blob_store.h"

namespace ringdrop::server {

struct Services {
  const Config& config;
  io::EventLoop& loop;
  io::BufferPool& pool;
  storage::BlobStore& blobs;
  db::Catalogue& catalogue;
  const std::string& own_host;  // ADDR:PORT of the first listener: for clients that name no Host
};

}  // namespace ringdrop::server
