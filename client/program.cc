#include "client/program.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <expected>
#include <utility>

#include "io/log.h"
#include "io/process_limits.h"
#include "io/signals.h"
#include "io/task_scope.h"
#include "io/terminal.h"
#include "io/uring_ring.h"

namespace ringdrop::client {
namespace {

using io::Result;
using io::Task;

constexpr int kExitConfig = 78;
constexpr int kExitSignal = 128;  // and the signal's number, as shells have it
// A name that hangs must not hold up the state.
constexpr unsigned kBlockingThreads = 2;
constexpr std::size_t kBlockingJobs = 16;

// One run of a program on its loop.
class Run {
 public:
  Run(io::EventLoop& loop, Program& program) : loop_(loop), program_(program), watching_(loop) {}

  Task<> run(io::TerminationSignals& signals) {
    struct StopLoop {
      io::EventLoop& loop;
      ~StopLoop() { loop.stop(); }
    };
    const StopLoop at_the_end{loop_};
    watching_.spawn(heed_signals(signals));
    const std::optional<int> ended = co_await program_.run(stop_.get_token());
    exit_code_ = ended.value_or(kExitSignal + signal_);
    watching_.request_stop();
    co_await watching_.join();
  }
  int exit_code() const { return exit_code_; }

 private:
  Task<> heed_signals(io::TerminationSignals& signals) {
    const Result<int> first = co_await signals.next(watching_.stop_token());
    if (!first) co_return;
    signal_ = *first;
    stop_.request_stop();
    const Result<int> again = co_await signals.next(watching_.stop_token());
    if (again) std::_Exit(kExitSignal + *again);
  }

  io::EventLoop& loop_;
  Program& program_;
  std::stop_source stop_;
  int signal_ = 0;
  int exit_code_ = kExitFailure;
  io::TaskScope watching_;
};

}  // namespace

void complain(const std::string& words) {
  std::fputs(("ringdrop: " + words + "\n").c_str(), stderr);
}

Talk talk_of(bool quiet) {
  if (quiet) return Talk::quiet;
  return io::is_terminal(STDERR_FILENO) ? Talk::bar : Talk::lines;
}

int run_program(bool secure, const std::string& ca_file,
                const std::function<std::unique_ptr<Program>(const ProgramParts&)>& make) {
  const std::expected<void, std::string> usable = io::probe_io_uring();
  if (!usable) {
    complain(usable.error());
    return kExitConfig;
  }
  std::optional<io::TlsTrust> trust;
  if (secure) {
    std::expected<io::TlsTrust, std::string> loaded = io::TlsTrust::load(ca_file);
    if (!loaded) {
      complain(loaded.error());
      return kExitFailure;
    }
    trust.emplace(std::move(*loaded));
  }
  io::block_termination_signals();
  io::Log log(io::Log::Level::error);
  io::WorkerLane blocking("blocking", kBlockingThreads, kBlockingJobs);
  io::WorkerLane printing("printing", 1, kBlockingJobs);
  Result<std::unique_ptr<io::UringRing>> ring = io::UringRing::create(blocking, 0);
  if (!ring) {
    complain(io::describe(ring.error()));
    return kExitFailure;
  }
  io::EventLoop loop(**ring, log);
  Result<io::TerminationSignals> signals = io::TerminationSignals::open(loop);
  if (!signals) {
    complain(io::describe(signals.error()));
    return kExitFailure;
  }
  const std::unique_ptr<Program> program = make({loop, blocking, printing, trust ? &*trust : nullptr});
  Run run(loop, *program);
  io::TaskScope life(loop);
  life.spawn(run.run(*signals));
  loop.run();
  return run.exit_code();
}

}  // namespace ringdrop::client
