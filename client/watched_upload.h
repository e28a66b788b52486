// An upload that somebody else makes, watched until it has ended: what comes is shown, and a connection that ends
// before is made again.
#pragma once

#include <stop_token>
#include <string>

#include "client/backoff.h"
#include "client/failure.h"
#include "client/program.h"
#include "client/progress_display.h"
#include "client/websocket.h"
#include "io/task.h"
#include "proto/api_json.h"
#include "proto/http_url.h"

namespace ringdrop::client {

class WatchedUpload {
 public:
  // All outlive it.
  WatchedUpload(const ProgramParts& parts, const proto::HttpUrl& url, ProgressDisplay& display);

  // The last message: its state is complete, failed or cancelled. final: nothing can be watched there; cancelled.
  io::Task<Outcome<proto::ProgressNotice>> run(const std::stop_token& stop);

 private:
  io::Task<Outcome<proto::ProgressNotice>> try_until_ended(const std::stop_token& stop);
  io::Task<Outcome<proto::ProgressNotice>> attempt(const std::stop_token& stop);
  io::Task<Outcome<proto::ProgressNotice>> listen(Websocket& websocket, const std::stop_token& stop);
  io::Task<> show(const proto::ProgressNotice& notice);
  io::Task<Outcome<>> wait(const Failure& why, const std::stop_token& stop);

  const ProgramParts parts_;
  const proto::HttpUrl& url_;
  const std::string target_;
  ProgressDisplay& display_;
  bool has_answered_ = false;
  bool has_moved_ = false;  // while it was watched
  std::string said_;        // the last line
  Backoff backoff_;
};

// Where a URL's upload is watched: the URL of an upload itself is taken for that of its progress.
std::string watch_target(const proto::HttpUrl& url);
// "receiving 1.0 GiB of 4.0 GiB, 25%, 1.2 GiB/s, 0:31 left": a message as a line. Pure.
std::string format_notice(const proto::ProgressNotice& notice);

}  // namespace ringdrop::client
