// What each command of the client runs on: an io_uring loop, threads for what blocks and for what is printed, trust for
// https, and signals: the first one asks the command to end in order, the second does not wait for a name server.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "client/progress_display.h"
#include "io/event_loop.h"
#include "io/task.h"
#include "io/tls.h"
#include "io/worker.h"

namespace ringdrop::client {

inline constexpr int kExitFailure = 1;

struct ProgramParts {
  io::EventLoop& loop;
  io::Lane& blocking;         // looking names up, and files of state
  io::Lane& printing;         // one thread
  const io::TlsTrust* trust;  // nullptr without https
};

class Program {
 public:
  virtual ~Program() = default;
  // The exit code; nullopt: it was stopped.
  virtual io::Task<std::optional<int>> run(std::stop_token stop) = 0;
};

// Makes the program and runs it. `ca_file`: instead of the system's certificates, "" for those. Its exit code, 128 +
// the signal when it was stopped, 1 when the certificates cannot be read, 78 when this machine has no io_uring for us.
int run_program(bool secure, const std::string& ca_file,
                const std::function<std::unique_ptr<Program>(const ProgramParts&)>& make);

// A line on standard error, before there is a display.
void complain(const std::string& words);
// By what standard error is.
Talk talk_of(bool quiet);

}  // namespace ringdrop::client
