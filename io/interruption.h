// Whether the person at the keyboard has had enough: SIGINT and SIGTERM for commands without a loop, and the one way to
// wait that they end (signalfd, poll).
#pragma once

#include <chrono>

#include "io/error.h"
#include "io/local_files.h"

namespace ringdrop::io {

class Interruption {
 public:
  // Precondition: block_termination_signals(). system: errno of signalfd.
  static Result<Interruption> open();

  // A signal has come, now or before.
  bool requested() { return wait_for(std::chrono::milliseconds(0)); }
  // Waits; true, and at once, when a signal has come.
  bool wait_for(std::chrono::milliseconds time);

 private:
  explicit Interruption(LocalFd fd) : fd_(std::move(fd)) {}
  LocalFd fd_;
};

}  // namespace ringdrop::io
