// Termination signals as something to await (signalfd).
#pragma once

#include <csignal>
#include <stop_token>

#include "io/event_loop.h"
#include "io/owned_fd.h"
#include "io/pending.h"
#include "io/task.h"

namespace ringdrop::io {

// Blocks SIGINT and SIGTERM in this thread and in those it starts, and ignores SIGPIPE and SIGXFSZ. To be called before
// any thread.
void block_termination_signals();

class TerminationSignals {
 public:
  // Precondition: block_termination_signals(). system: errno of signalfd.
  static Result<TerminationSignals> open(EventLoop& loop);

  // The next SIGINT or SIGTERM: its number. cancelled.
  Task<Result<int>> next(std::stop_token stop);

 private:
  TerminationSignals(EventLoop& loop, OwnedFd fd) : loop_(loop), fd_(std::move(fd)) {}
  EventLoop& loop_;
  OwnedFd fd_;
};

}  // namespace ringdrop::io
