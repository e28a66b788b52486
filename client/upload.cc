#include "client/upload.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "client/display_text.h"
#include "client/file_upload.h"
#include "io/event_loop.h"
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

constexpr int kExitFailure = 1;
constexpr int kExitConfig = 78;
constexpr int kExitSignal = 128;  // and the signal's number, as shells have it
// Looking names up, and files of state: a name that hangs must not hold up the state.
constexpr unsigned kBlockingThreads = 2;
constexpr std::size_t kBlockingJobs = 16;

void complain(const std::string& words) {
  std::fputs(("ringdrop: " + words + "\n").c_str(), stderr);
}

// The absolute path of a file that can be uploaded, or why it cannot.
std::expected<std::string, std::string> check_file(const std::string& name) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::canonical(name, error);
  if (error) return std::unexpected(printable(name) + ": " + error.message());
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (std::filesystem::is_directory(status)) {
    return std::unexpected(printable(name) + ": is a directory: put it into an archive (tar, zip) first");
  }
  if (!std::filesystem::is_regular_file(status)) return std::unexpected(printable(name) + ": is no regular file");
  if (!std::ifstream(path)) return std::unexpected(printable(name) + ": cannot be read");
  return path.string();
}

std::optional<std::vector<std::string>> check_files(const std::vector<std::string>& names) {
  std::vector<std::string> paths;
  for (const std::string& name : names) {
    std::expected<std::string, std::string> path = check_file(name);
    if (path) paths.push_back(std::move(*path));
    if (!path) complain(path.error());
  }
  if (paths.size() != names.size()) return std::nullopt;
  return paths;
}

Talk talk_of(const UploadOptions& options) {
  if (options.quiet) return Talk::quiet;
  return io::is_terminal(STDERR_FILENO) ? Talk::bar : Talk::lines;
}

// One run of the command on its loop.
class Run {
 public:
  Run(io::EventLoop& loop, io::Lane& blocking, io::Lane& printing, const UploadOptions& options,
      const io::TlsTrust* trust, std::vector<std::string> paths)
      : loop_(loop),
        paths_(std::move(paths)),
        display_(loop, printing, talk_of(options)),
        session_(loop, blocking, options.server, trust, options.token),
        saved_(options.state_directory),
        services_{loop, blocking, session_, saved_, display_, buffers_, options.protocol, options.wishes},
        watching_(loop) {}

  Task<> run(io::TerminationSignals& signals) {
    struct StopLoop {
      io::EventLoop& loop;
      ~StopLoop() { loop.stop(); }
    };
    const StopLoop at_the_end{loop_};
    watching_.spawn(heed_signals(signals));
    exit_code_ = co_await upload_all();
    co_await session_.close();
    watching_.request_stop();
    co_await watching_.join();
  }
  int exit_code() const { return exit_code_; }

 private:
  Task<> heed_signals(io::TerminationSignals& signals);
  Task<int> upload_all();

  io::EventLoop& loop_;
  const std::vector<std::string> paths_;
  ProgressDisplay display_;
  ServerSession session_;
  const SavedUploads saved_;
  PieceBuffers buffers_;
  const UploadServices services_;
  std::stop_source stop_;
  int signal_ = 0;
  int exit_code_ = kExitFailure;
  io::TaskScope watching_;
};

// The first signal ends the upload in order; the second does not wait for a name server.
Task<> Run::heed_signals(io::TerminationSignals& signals) {
  const Result<int> first = co_await signals.next(watching_.stop_token());
  if (!first) co_return;
  signal_ = *first;
  stop_.request_stop();
  const Result<int> again = co_await signals.next(watching_.stop_token());
  if (again) std::_Exit(kExitSignal + *again);
}

Task<int> Run::upload_all() {
  std::size_t failed = 0;
  for (const std::string& path : paths_) {
    FileUpload upload(services_, path);
    Outcome<std::string> link = co_await upload.run(stop_.get_token());
    if (link) {
      co_await display_.result(std::move(*link));
      continue;
    }
    if (stop_.stop_requested()) {
      std::string line = fmt::format("ringdrop: {}: stopped; the same command goes on", printable(upload.name()));
      co_await display_.note(std::move(line));
      co_return kExitSignal + signal_;
    }
    ++failed;
    std::string line = fmt::format("ringdrop: {}: {}", printable(upload.name()), link.error().words);
    co_await display_.error(std::move(line));
  }
  if (failed > 0 && paths_.size() > 1) {
    std::string line = fmt::format("ringdrop: {} of {} files are not uploaded", failed, paths_.size());
    co_await display_.error(std::move(line));
  }
  co_return failed > 0 ? kExitFailure : 0;
}

}  // namespace

int run_upload(const UploadOptions& options) {
  std::optional<std::vector<std::string>> paths = check_files(options.files);
  if (!paths) return kExitFailure;
  const std::expected<void, std::string> usable = io::probe_io_uring();
  if (!usable) {
    complain(usable.error());
    return kExitConfig;
  }
  std::optional<io::TlsTrust> trust;
  if (options.server.secure) {
    std::expected<io::TlsTrust, std::string> loaded = io::TlsTrust::load(options.ca_file);
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
  Run run(loop, blocking, printing, options, trust ? &*trust : nullptr, std::move(*paths));
  io::TaskScope life(loop);
  life.spawn(run.run(*signals));
  loop.run();
  return run.exit_code();
}

}  // namespace ringdrop::client
