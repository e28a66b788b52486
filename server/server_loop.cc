#include "server/server_loop.h"

#include <fmt/format.h>

#include <utility>

namespace ringdrop::server {
namespace {

constexpr io::Milliseconds kUpkeepPause{1'000};

}  // namespace

ServerLoop::ServerLoop(io::EventLoop& loop, const Config& config, const http::HttpLimits& limits,
                       storage::BlobSpace& space, db::Catalogue& catalogue, const std::string& own_host,
                       uint64_t memory_bytes)
    : loop_(loop),
      config_(config),
      limits_(limits),
      space_(space),
      catalogue_(catalogue),
      own_host_(own_host),
      pool_(loop, memory_bytes),
      pause_(loop),
      scope_(loop) {}

io::Task<io::Result<>> ServerLoop::open() {
  const std::string data_dir = config_.data_dir.string();
  io::Result<std::unique_ptr<storage::BlobStore>> blobs = co_await storage::BlobStore::open(loop_, data_dir, space_);
  if (!blobs) co_return std::unexpected(blobs.error());
  blobs_ = std::move(*blobs);
  application_.emplace(Services{config_, loop_, pool_, *blobs_, catalogue_, own_host_});
  connections_.emplace(loop_, pool_, *application_, limits_);
  scope_.spawn(upkeep());
  co_return io::Result<>{};
}

io::Task<bool> ServerLoop::close(io::TimePoint cut_at) {
  if (connections_) {
    connections_->drain();
    scope_.spawn(cut_later(cut_at));
    co_await connections_->join();
  }
  scope_.request_stop();
  co_await scope_.join();
  if (blobs_) co_await blobs_->close();
  blobs_.reset();
  co_return true;
}

io::Task<bool> ServerLoop::cut() {
  if (connections_) connections_->cut();
  co_return true;
}

io::Task<> ServerLoop::cut_later(io::TimePoint cut_at) {
  const std::stop_token stop = scope_.stop_token();
  const io::Result<> waited = co_await pause_.wait(cut_at, stop);
  if (!waited && waited.error().code == io::Errc::timed_out) connections_->cut();
}

io::Task<> ServerLoop::upkeep() {
  const std::stop_token stop = scope_.stop_token();
  while (!stop.stop_requested()) {
    static_cast<void>(co_await pause_.wait(loop_.now() + kUpkeepPause, stop));
    const io::Result<> kept = co_await blobs_->upkeep();
    if (!kept) loop_.log().warn(fmt::format("upkeep of the blobs: {}", io::describe(kept.error())));
    const io::Result<bool> checkpoint = co_await catalogue_.checkpoint_if_due(loop_);
    if (!checkpoint) {
      loop_.log().warn(fmt::format("checkpoint of the catalogue: {}", io::describe(checkpoint.error())));
    }
  }
}

}  // namespace ringdrop::server
