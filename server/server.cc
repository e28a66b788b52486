#include "server/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "io/on_loop.h"
#include "server/expiry.h"
#include "server/reservations.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;

constexpr io::Milliseconds kCatalogueWatchPause{200};
constexpr io::Milliseconds kCatalogueProbePause{1'000};
constexpr io::Milliseconds kSweepPause{1'000};
// While there is more to sweep than one round takes, the sweeper rests that many times as long as its last round took,
// but no longer than at other times, for those who share CPU, disk and catalogue with it; unless somebody may soon wait
// for what it frees.
constexpr int kSweepRest = 9;
// A full disk is when the sweeper is needed most; as with a lock on the catalogue it may be over at any time.
constexpr io::Milliseconds kSweepPauseUntilItPasses{2'000};
constexpr io::Milliseconds kSweepPauseAfterFailure{60'000};
// How long a port that is taken is asked for again, and how often.
constexpr io::Milliseconds kPortPatience{2'000};
constexpr io::Milliseconds kPortPause{50};

http::HttpLimits limits_of(const Config& config) {
  http::HttpLimits limits;
  limits.head_timeout = config.head_timeout;
  limits.idle_timeout = config.idle_timeout;
  limits.stall_timeout = config.stall_timeout;
  limits.linger_timeout = config.linger_timeout;
  const auto stall_ms = static_cast<uint64_t>(config.stall_timeout.count());
  limits.min_transfer_bytes = config.min_transfer_bytes_per_second * stall_ms / 1000;
  return limits;
}

// What a client that names no Host may call us by.
std::string host_of(const io::Address& address) {
  const std::string text = io::format_address(address);
  if (text.starts_with("unix:")) return "localhost";
  for (const std::string_view any : {"0.0.0.0:", "[::]:"}) {
    if (text.starts_with(any)) return "localhost:" + text.substr(any.size());
  }
  return text;
}

}  // namespace

Server::Server(const Config& config, std::span<io::EventLoop* const> loops, storage::BlobSpace& space,
               db::Catalogue& catalogue, io::Lane& digest_lane, std::size_t max_connections)
    : config_(config),
      limits_(limits_of(config)),
      catalogue_(catalogue),
      max_connections_(max_connections),
      loop_(*loops.front()),
      disk_relief_(loop_, catalogue_, uploads_, progress_, config_),
      pause_(loop_, "upkeep"),
      accepting_(loop_) {
  const uint64_t memory_bytes = config.memory_budget_bytes / loops.size();
  const SharedParts shared{.config = config_,
                           .limits = limits_,
                           .space = space,
                           .catalogue = catalogue,
                           .digest_lane = digest_lane,
                           .running_downloads = running_downloads_,
                           .uploads = uploads_,
                           .progress = progress_,
                           .watchers = watchers_,
                           .own_host = own_host_,
                           .loops = loops};
  for (io::EventLoop* const loop : loops) {
    loops_.push_back(std::make_unique<ServerLoop>(*loop, shared, memory_bytes));
  }
}

Server::~Server() = default;

Task<Result<RecoveryReport>> Server::start(std::stop_token stop) {
  const Result<> opened = co_await open_loops();
  if (!opened) co_return std::unexpected(opened.error());
  Result<RecoveryReport> report = co_await recover(loop_, loops_.front()->blobs(), catalogue_, stop);
  if (!report) co_return report;
  const Result<> listening = co_await listen(stop);
  if (!listening) co_return std::unexpected(listening.error());
  accepting_.spawn(watch_catalogue());
  accepting_.spawn(probe_catalogue());
  accepting_.spawn(sweep_for_ever());
  co_return report;
}

Task<Result<>> Server::open_loops() {
  for (const std::unique_ptr<ServerLoop>& part : loops_) {
    const Result<> opened = co_await io::run_on_loop(loop_, part->loop(), part->open());
    if (!opened) co_return opened;
    connections_.push_back(&part->connections());
  }
  co_return Result<>{};
}

// A server that was killed a moment ago still holds its port: the kernel ends its ring's accept in the background.
Task<Result<io::Listener>> Server::listen_on(const io::Address& address, const std::stop_token& stop) {
  const io::TimePoint give_up = loop_.now() + kPortPatience;
  for (;;) {
    Result<io::Listener> listener = io::listen(loop_, address);
    const bool in_use = !listener && listener.error().sys_errno == EADDRINUSE;
    if (!in_use || loop_.now() >= give_up) co_return listener;
    const Result<> paused = co_await pause_.wait(loop_.now() + kPortPause, stop);
    if (!paused && paused.error().code == io::Errc::cancelled) co_return std::unexpected(paused.error());
  }
}

Task<Result<>> Server::listen(const std::stop_token& stop) {
  for (const std::string& text : config_.listen) {
    const std::optional<io::Address> address = io::parse_address(text);
    if (!address) co_return io::fail(io::Errc::refused, "listen");
    Result<io::Listener> listener = co_await listen_on(*address, stop);
    if (!listener) {
      loop_.log().error(fmt::format("cannot listen on {}: {}", text, io::describe(listener.error())));
      co_return std::unexpected(listener.error());
    }
    addresses_.push_back(listener->address());
    if (addresses_.size() == 1) {
      own_host_ = host_of(addresses_.front());
    }
    acceptors_.push_back(std::make_unique<http::Acceptor>(loop_, std::move(*listener), connections_, max_connections_));
  }
  for (const auto& acceptor : acceptors_) accepting_.spawn(acceptor->run(accepting_.stop_token()));
  co_return Result<>{};
}

Task<> Server::watch_catalogue() {
  const std::stop_token stop = accepting_.stop_token();
  while (!stop.stop_requested() && !catalogue_.failed()) {
    static_cast<void>(co_await pause_.wait(loop_.now() + kCatalogueWatchPause, stop));
  }
  if (catalogue_.failed()) failure_.request_stop();
}

// So that it is known without a client's write that another process holds the catalogue's lock, or that there is no
// space for its writes, and that it is over. What it learns is in the catalogue's state.
Task<> Server::probe_catalogue() {
  const std::stop_token stop = accepting_.stop_token();
  while (!stop.stop_requested() && !catalogue_.failed()) {
    static_cast<void>(co_await catalogue_.probe(loop_));
    static_cast<void>(co_await pause_.wait(loop_.now() + kCatalogueProbePause, stop));
  }
}

Task<> Server::sweep_for_ever() {
  const std::stop_token stop = accepting_.stop_token();
  std::chrono::nanoseconds pause = kSweepPause;
  while (!stop.stop_requested()) {
    static_cast<void>(co_await pause_.wait(loop_.now() + pause, stop));
    if (stop.stop_requested() || catalogue_.failed()) co_return;
    const io::TimePoint began = loop_.now();
    const Result<bool> more = co_await sweep_once();
    if (more) {
      pause = *more ? co_await rest_from_sweep(loop_.now() - began) : kSweepPause;
    } else {
      loop_.log().warn(fmt::format("the sweeper: {}", io::describe(more.error())));
      const bool passes = more.error().code == io::Errc::no_space || more.error().code == io::Errc::exhausted;
      pause = passes ? kSweepPauseUntilItPasses : kSweepPauseAfterFailure;
    }
  }
}

// How long, after a round of that length with another one to follow.
Task<std::chrono::nanoseconds> Server::rest_from_sweep(std::chrono::nanoseconds round) {
  const Result<bool> plenty = co_await disk_relief_.has_plenty(loops_.front()->blobs());
  if (!plenty || !*plenty) co_return std::chrono::nanoseconds(0);
  co_return std::min<std::chrono::nanoseconds>(kSweepRest * round, kSweepPause);
}

// All that gives space back. What fails for want of space does not keep the rest from it. true: there may be more.
Task<Result<bool>> Server::sweep_once() {
  storage::BlobStore& blobs = loops_.front()->blobs();
  const Result<> released = co_await release_space();
  if (!released) loop_.log().warn(fmt::format("the sweeper: {}", io::describe(released.error())));
  const Result<bool> uploads = co_await sweep_uploads(loop_, catalogue_, uploads_, progress_, config_);
  if (!uploads && uploads.error().code != io::Errc::no_space) co_return uploads;
  const Result<bool> links = co_await sweep(loop_, blobs, catalogue_, running_downloads_);
  if (!links && links.error().code != io::Errc::no_space) co_return links;
  const Result<bool> pages = co_await catalogue_.give_back_pages(loop_);
  if (!pages && pages.error().code != io::Errc::no_space) co_return pages;
  if (links && (*links || (pages && *pages))) co_return true;
  const Result<bool> relieved = co_await disk_relief_.step(blobs, !next_left_upload_);
  if (!relieved) co_return relieved;
  if (!uploads) co_return uploads;
  if (!links) co_return links;
  co_return *uploads || *relieved;
}

Task<Result<>> Server::release_space() {
  storage::BlobStore& blobs = loops_.front()->blobs();
  if (uploads_.take_lost_track()) next_left_upload_ = 0;
  if (next_left_upload_) {
    uint64_t next = *next_left_upload_;
    const Result<bool> more = co_await release_left_reservations(loop_, blobs, catalogue_, uploads_, next);
    next_left_upload_ = next;
    if (!more) co_return std::unexpected(more.error());
    if (!*more) next_left_upload_.reset();
  }
  co_return co_await release_reservations(loop_, blobs, uploads_, loop_.now() - kReservationPatience);
}

// What is known of unfinished uploads beyond their bytes: the next start need not read them again.
Task<> Server::save_uploads() {
  if (catalogue_.failed()) co_return;
  std::vector<db::Upload> rows;
  for (ParkedUpload& parked : uploads_.take_all_parked()) {
    parked.row.progress = encode_checkpoint(checkpoint_of(parked));
    rows.push_back(std::move(parked.row));
  }
  Result<> saved;
  for (std::span<const db::Upload> left = rows; saved && !left.empty();) {
    const auto some = left.first(std::min(left.size(), db::Catalogue::kMostRowsAtATime));
    left = left.subspan(some.size());
    saved = co_await catalogue_.save_uploads(loop_, some);
    if (!saved) loop_.log().warn(fmt::format("the uploads' state is not saved: {}", io::describe(saved.error())));
  }
}

Task<> Server::stop(io::TimePoint cut_at) {
  accepting_.request_stop();
  co_await accepting_.join();
  acceptors_.clear();
  // Side by side: each waits for its connections, and for the catalogue, which may be locked.
  io::TaskScope closing(loop_);
  for (const std::unique_ptr<ServerLoop>& part : loops_) closing.spawn(close(*part, cut_at));
  co_await closing.join();
  co_await save_uploads();
}

Task<> Server::close(ServerLoop& part, io::TimePoint cut_at) {
  co_await io::run_on_loop(loop_, part.loop(), part.close(cut_at));
}

Task<> Server::cut() {
  for (const std::unique_ptr<ServerLoop>& part : loops_) {
    co_await io::run_on_loop(loop_, part->loop(), part->cut());
  }
}

}  // namespace ringdrop::server
