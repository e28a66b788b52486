// `ringdrop watch URL`: shows how an upload goes that somebody else makes, and prints its link when it is there.
#pragma once

#include <string>

#include "proto/http_url.h"

namespace ringdrop::client {

struct WatchOptions {
  proto::HttpUrl url;   // {server}/watch/{watch id}, {server}/uploads/{id}/progress or {server}/uploads/{id}
  std::string ca_file;  // "": the system's
  bool quiet = false;
};

// 0: it is complete. 1: it has failed, or was cancelled, or cannot be watched; standard error says which. 78: this
// machine has no io_uring for us. 128 + signal: it was stopped.
int run_watch(const WatchOptions& options);

}  // namespace ringdrop::client
