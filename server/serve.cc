#include "server/serve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "db/catalogue.h"
#include "io/buffer_pool.h"
#include "io/page_cache.h"
#include "io/process_limits.h"
#include "io/signals.h"
#include "io/uring_ring.h"
#include "io/worker.h"
#include "server/cli.h"
#include "server/sd_notify.h"
#include "server/server.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;

constexpr int kExitFailure = 1;
// Descriptors that are not connections: standard streams, catalogue, lock, signals; those that are being turned away
// from a listener; rings and directories of a loop.
constexpr uint64_t kFixedDescriptors = 64;
constexpr uint64_t kDescriptorsPerListener = 1 + 64;
constexpr uint64_t kDescriptorsPerLoop = 8;
// A connection with its file, once buffered and once direct.
constexpr uint64_t kDescriptorsPerConnection = 3;
constexpr unsigned kBlockingThreads = 4;

io::Log::Level log_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return io::Log::Level::debug;
    case LogLevel::info:
      return io::Log::Level::info;
    case LogLevel::warn:
      return io::Log::Level::warn;
    case LogLevel::error:
      return io::Log::Level::error;
  }
  return io::Log::Level::info;
}

// The files that stay open leave most descriptors to connections.
uint64_t open_files_per_loop(const Config& config, uint64_t descriptors, uint32_t loops) {
  return std::min<uint64_t>(config.open_files, descriptors / 16 / loops);
}

// A loop on a thread of its own; the ring is made, turned and destroyed there.
class LoopThread {
 public:
  LoopThread(io::WorkerLane& blocking, uint64_t lockable_bytes, io::Log& log) {
    std::promise<Result<io::EventLoop*>> made;
    std::future<Result<io::EventLoop*>> waiting = made.get_future();
    thread_ = std::thread([&blocking, lockable_bytes, &log, made = std::move(made)]() mutable {
      run(blocking, lockable_bytes, log, made);
    });
    loop_ = waiting.get();
  }
  ~LoopThread() {
    if (loop_) (*loop_)->stop();
    thread_.join();
  }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  const Result<io::EventLoop*>& loop() const { return loop_; }

 private:
  static void run(io::WorkerLane& blocking, uint64_t lockable_bytes, io::Log& log,
                  std::promise<Result<io::EventLoop*>>& made) {
    Result<std::unique_ptr<io::UringRing>> ring = io::UringRing::create(blocking, lockable_bytes);
    if (!ring) {
      made.set_value(std::unexpected(ring.error()));
      return;
    }
    io::EventLoop loop(**ring, log);
    made.set_value(&loop);
    io::prefer_short_slices();
    loop.run();
  }

  Result<io::EventLoop*> loop_;
  std::thread thread_;
};

// The lanes of the catalogue and the catalogue itself, in the order in which they may go.
struct OpenCatalogue {
  OpenCatalogue(std::unique_ptr<db::CatalogueFile> opened, std::size_t capacity)
      : file(std::move(opened)),
        writer("db-writer", 1, capacity, file.get()),
        reader("db-reader", 1, capacity, &file->reads()),
        checkpointer("db-checkpoint", 1, capacity),
        catalogue(*file, writer, reader, checkpointer) {}

  std::unique_ptr<db::CatalogueFile> file;
  io::WorkerLane writer;
  io::WorkerLane reader;
  io::WorkerLane checkpointer;
  db::Catalogue catalogue;
};

constexpr uint64_t kLeastCheckpointBytes = 1 * kMiB;

db::CatalogueOptions catalogue_options(const Config& config) {
  db::CatalogueOptions options;
  // The log, which may be twice as large under load, is to fit into what uploads leave free.
  options.checkpoint_bytes =
      std::clamp<uint64_t>(config.min_free_bytes / 8, kLeastCheckpointBytes, options.checkpoint_bytes);
  options.path = (config.data_dir / "catalogue.sqlite3").string();
  options.durability = config.durability == Durability::full ? db::Durability::full : db::Durability::process;
  return options;
}

class Process {
 public:
  // What the limit of descriptors leaves of what was configured.
  struct Bounds {
    std::size_t max_connections;
    std::size_t open_files;  // of each loop
  };

  Process(const Config& config, const SdNotify& notify, io::Log& log, io::WorkerLane& blocking,
          std::vector<io::EventLoop*> loops, Bounds bounds)
      : config_(config),
        notify_(notify),
        log_(log),
        blocking_(blocking),
        loops_(std::move(loops)),
        loop_(*loops_.front()),
        max_connections_(bounds.max_connections),
        digests_("digest", static_cast<unsigned>(loops_.size()), 2 * bounds.max_connections),
        life_(loop_, "the end of the server"),
        space_(config.durability == Durability::full ? storage::Durability::full : storage::Durability::process,
               config.min_free_bytes, bounds.open_files),
        scope_(loop_) {}

  // To the end of the server's life; then the first loop is stopped.
  Task<> run() {
    // However live() ends, by an exception too: a loop that goes on without a server would hold the data directory.
    struct StopLoop {
      io::EventLoop& loop;
      ~StopLoop() { loop.stop(); }
    };
    const StopLoop at_the_end{loop_};
    exit_code_ = co_await live();
  }
  int exit_code() const { return exit_code_; }

 private:
  Task<int> live();
  Task<int> serve_with(db::Catalogue& catalogue);
  Task<int> serve_until_stopped(Server& server);
  Task<> heed_signals(io::TerminationSignals& signals, Server& server);
  void announce(const Server& server, const RecoveryReport& report);
  void explain(const char* what, const io::Error& error);

  const Config& config_;
  const SdNotify& notify_;
  io::Log& log_;
  io::WorkerLane& blocking_;
  const std::vector<io::EventLoop*> loops_;
  io::EventLoop& loop_;
  const std::size_t max_connections_;
  std::stop_source stop_;
  io::WorkerLane digests_;  // a connection has at most two jobs there
  io::WaitList life_;       // of the server, which ends by `stop_` alone
  storage::BlobSpace space_;
  int exit_code_ = kExitFailure;
  io::TaskScope scope_;
};

void Process::explain(const char* what, const io::Error& error) {
  log_.error(fmt::format("{} ({}): {}", what, config_.data_dir.string(), io::describe(error)));
}

Task<int> Process::live() {
  const std::string data_dir = config_.data_dir.string();
  const Result<io::File> lock = co_await storage::BlobStore::prepare(loop_, data_dir, space_);
  if (!lock) {
    const bool taken = lock.error().code == io::Errc::exists;
    explain(taken ? "another server uses this data directory" : "the data directory cannot be used", lock.error());
    co_return kExitFailure;
  }
  db::CatalogueOptions options = catalogue_options(config_);
  loop_.ring().random(options.fresh_key);
  auto opened = co_await io::run_on(loop_, blocking_, [&] { return db::CatalogueFile::open(options, log_); });
  if (!opened || !*opened) {
    explain("the catalogue cannot be opened", opened ? opened->error() : opened.error());
    co_return kExitFailure;
  }
  // A connection waits for at most one job at a time; upkeep and recovery for one each.
  const std::size_t capacity = max_connections_ + 2 * loops_.size() + 16;
  auto catalogue = std::make_unique<OpenCatalogue>(std::move(**opened), capacity);
  const int exit_code = co_await serve_with(catalogue->catalogue);
  // It joins its lanes and copies what is left of its log: on the loop only where the worker has no room for it.
  const auto close = [&] {
    catalogue.reset();
    return true;
  };
  static_cast<void>(co_await io::run_on(loop_, blocking_, close));
  co_return exit_code;
}

Task<int> Process::serve_with(db::Catalogue& catalogue) {
  Result<io::TerminationSignals> signals = io::TerminationSignals::open(loop_);
  if (!signals) {
    explain("signals cannot be received", signals.error());
    co_return kExitFailure;
  }
  Server server(config_, loops_, space_, catalogue, digests_, max_connections_);
  scope_.spawn(heed_signals(*signals, server));
  const int exit_code = co_await serve_until_stopped(server);
  scope_.request_stop();
  co_await scope_.join();
  co_return exit_code;
}

Task<int> Process::serve_until_stopped(Server& server) {
  const std::stop_token stop = stop_.get_token();
  const Result<RecoveryReport> started = co_await server.start(stop);
  if (!started) {
    if (!stop.stop_requested()) explain("the server cannot start", started.error());
    co_await server.stop(loop_.now());
    co_return stop.stop_requested() ? 0 : kExitFailure;
  }
  announce(server, *started);
  const auto stop_too = [this] { stop_.request_stop(); };
  const std::stop_callback on_failure(server.failure(), stop_too);
  static_cast<void>(co_await life_.wait(io::kNever, stop));

  const bool failed = server.failure().stop_requested();
  if (failed) log_.error("the catalogue failed: stopping, the next start recovers");
  log_.info(fmt::format("stopping: transfers have {} s to end", config_.shutdown_grace.count() / 1000));
  notify_.stopping((config_.shutdown_grace.count() + 5'000) * 1000);
  co_await server.stop(loop_.now() + config_.shutdown_grace);
  log_.info("stopped");
  co_return failed ? kExitFailure : 0;
}

// The first signal stops the server, during its start too; the second does not wait for transfers.
Task<> Process::heed_signals(io::TerminationSignals& signals, Server& server) {
  const Result<int> first = co_await signals.next(scope_.stop_token());
  if (!first) co_return;
  stop_.request_stop();
  const Result<int> again = co_await signals.next(scope_.stop_token());
  if (!again) co_return;
  log_.info("stopping at once");
  co_await server.cut();
}

void Process::announce(const Server& server, const RecoveryReport& report) {
  if (report.directories > 0) {
    log_.info(fmt::format("recovered: {} directories looked at, {} unfinished files removed, {} files missing",
                          report.directories, report.removed_files, report.missing_files));
  }
  std::string where;
  for (const io::Address& address : server.addresses()) {
    where += fmt::format("{}{}", where.empty() ? "" : ", ", io::format_address(address));
  }
  log_.info(fmt::format("listening on {} with {} loops, data in {}", where, loops_.size(), config_.data_dir.string()));
  notify_.ready(fmt::format("listening on {}", where));
}

}  // namespace

int run_server(const Config& config, const std::string& notify_socket) {
  const std::expected<void, std::string> usable = io::probe_io_uring();
  if (!usable) {
    std::fputs(fmt::format("ringdrop: {}\n", usable.error()).c_str(), stderr);
    return kExitConfig;
  }
  io::keep_files_private();
  io::block_termination_signals();
  io::Log log(log_level(config.log_level));
  const SdNotify notify(notify_socket);
  const uint32_t loop_total = loop_count(config, io::usable_cpus());
  const uint64_t lockable_bytes = io::lockable_bytes();
  // The limit is the process's: each ring may register its part.
  const uint64_t lockable_by_ring = lockable_bytes == UINT64_MAX ? UINT64_MAX : lockable_bytes / loop_total;
  const uint64_t registrable_by_ring = io::BufferPool::registrable_bytes(config.memory_budget_bytes / loop_total);
  if (lockable_by_ring < registrable_by_ring) {
    log.warn(
        fmt::format("the large buffers (up to {} MiB) exceed RLIMIT_MEMLOCK: those above it are used unregistered, "
                    "which costs some speed (raise `ulimit -l`, or LimitMEMLOCK= under systemd)",
                    registrable_by_ring * loop_total / kMiB));
  }
  if (!io::page_cache_can_be_asked()) {
    log.warn(
        "mincore(2) is refused: downloads are copied, which costs some speed (under systemd: "
        "SystemCallFilter=mincore cachestat)");
  }
  const uint64_t descriptors = io::raise_descriptor_limit();
  const uint64_t open_files = open_files_per_loop(config, descriptors, loop_total);
  const uint64_t own_descriptors = kFixedDescriptors + kDescriptorsPerListener * config.listen.size() +
                                   (kDescriptorsPerLoop + open_files) * loop_total;
  if (descriptors < own_descriptors + 32 * kDescriptorsPerConnection) {
    std::fputs(fmt::format("ringdrop: RLIMIT_NOFILE is {}, which is too low: raise `ulimit -n` to {} or more\n",
                           descriptors, own_descriptors + 32 * kDescriptorsPerConnection)
                   .c_str(),
               stderr);
    return kExitConfig;
  }
  const auto max_connections = static_cast<std::size_t>(
      std::min<uint64_t>(config.max_connections, (descriptors - own_descriptors) / kDescriptorsPerConnection));
  if (max_connections < config.max_connections) {
    log.warn(fmt::format("max_connections is {} instead of {}: RLIMIT_NOFILE is {}", max_connections,
                         config.max_connections, descriptors));
  }

  io::WorkerLane blocking("blocking", kBlockingThreads, max_connections * 2 + 64);
  Result<std::unique_ptr<io::UringRing>> ring = io::UringRing::create(blocking, lockable_by_ring);
  if (!ring) {
    std::fputs(fmt::format("ringdrop: {}\n", io::describe(ring.error())).c_str(), stderr);
    return kExitFailure;
  }
  io::EventLoop loop(**ring, log);
  std::vector<std::unique_ptr<LoopThread>> threads;
  std::vector<io::EventLoop*> loops{&loop};
  for (uint32_t i = 1; i < loop_total; ++i) {
    threads.push_back(std::make_unique<LoopThread>(blocking, lockable_by_ring, log));
    if (!threads.back()->loop()) {
      std::fputs(fmt::format("ringdrop: {}\n", io::describe(threads.back()->loop().error())).c_str(), stderr);
      return kExitFailure;
    }
    loops.push_back(*threads.back()->loop());
  }
  Process process(config, notify, log, blocking, std::move(loops), {max_connections, open_files});
  io::TaskScope life(loop);
  life.spawn(process.run());
  io::prefer_short_slices();
  loop.run();
  return process.exit_code();
}

}  // namespace ringdrop::server
