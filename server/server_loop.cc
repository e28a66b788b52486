#include "server/server_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ringdrop::server {
namespace {

constexpr io::Milliseconds kUpkeepPause{1'000};
// How much of what the buffers may take small files may hold beside them.
constexpr uint64_t kPartForSmallContents = 8;

}  // namespace

ServerLoop::ServerLoop(io::EventLoop& loop, const SharedParts& shared, uint64_t memory_bytes)
    : loop_(loop),
      shared_(shared),
      pool_(loop, memory_bytes),
      hot_links_(shared_.config.cache_bytes / shared_.loops.size()),
      small_contents_(shared_.config.small_file_bytes, memory_bytes / kPartForSmallContents),
      feed_(loop, shared_.config, shared_.progress, shared_.watchers),
      pause_(loop, "upkeep of the loop"),
      checkpoint_pressing_(loop, "what makes checkpoints"),
      scope_(loop) {}

io::Task<io::Result<>> ServerLoop::open() {
  const std::string data_dir = shared_.config.data_dir.string();
  io::Result<std::unique_ptr<storage::BlobStore>> blobs =
      co_await storage::BlobStore::open(loop_, data_dir, shared_.space);
  if (!blobs) co_return std::unexpected(blobs.error());
  blobs_ = std::move(*blobs);
  const Services services{.config = shared_.config,
                          .loop = loop_,
                          .pool = pool_,
                          .blobs = *blobs_,
                          .catalogue = shared_.catalogue,
                          .digest_lane = shared_.digest_lane,
                          .download_counts = download_counts_,
                          .hot_links = hot_links_,
                          .small_contents = small_contents_,
                          .checkpoint_pressing = checkpoint_pressing_,
                          .running_downloads = shared_.running_downloads,
                          .uploads = shared_.uploads,
                          .progress = shared_.progress,
                          .feed = feed_,
                          .all_loops = shared_.loops};
  application_.emplace(services, shared_.own_host);
  connections_.emplace(loop_, pool_, *application_, shared_.limits);
  scope_.spawn(upkeep());
  scope_.spawn(make_checkpoints());
  scope_.spawn(feed_.run(scope_.stop_token()));
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
  co_await pool_.close();
  co_await write_download_counts();
  if (download_counts_.size() > 0) {
    loop_.log().warn(fmt::format("downloads of {} links are not counted", download_counts_.size()));
  }
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
  while (true) {
    static_cast<void>(co_await pause_.wait(loop_.now() + kUpkeepPause, stop));
    if (stop.stop_requested()) co_return;  // close() does the rest, once
    const io::Result<> kept = co_await blobs_->upkeep();
    if (!kept) loop_.log().warn(fmt::format("upkeep of the blobs: {}", io::describe(kept.error())));
    co_await write_download_counts();
  }
}

// Small files make the catalogue's log outgrow its bound many times a second, and whoever commits then must not be the
// one who copies all of it.
io::Task<> ServerLoop::make_checkpoints() {
  const std::stop_token stop = scope_.stop_token();
  while (!stop.stop_requested()) {
    static_cast<void>(co_await checkpoint_pressing_.wait(loop_.now() + kUpkeepPause, stop));
    const io::Result<bool> checkpoint = co_await shared_.catalogue.checkpoint_if_due(loop_);
    if (!checkpoint) {
      loop_.log().warn(fmt::format("checkpoint of the catalogue: {}", io::describe(checkpoint.error())));
    }
  }
}

io::Task<> ServerLoop::write_download_counts() {
  // For want of space, or behind another process's lock, the next is not written either, and would wait as long for it.
  // What fails in a sound catalogue is the trouble of some row: those that were to be written with it are given up.
  const auto is_for_all = [this](const io::Error& error) {
    return error.code == io::Errc::exhausted || shared_.catalogue.state() != db::CatalogueState::sound;
  };
  bool waits = false;
  for (const DownloadCounts::Unsettled& one : download_counts_.take_unsettled()) {
    if (!waits) {
      const io::Result<> settled = co_await shared_.catalogue.settle_download(loop_, one.token, one.completed);
      if (settled) continue;
      loop_.log().warn(fmt::format("a download is not settled yet: {}", io::describe(settled.error())));
      waits = is_for_all(settled.error());
    }
    download_counts_.add_unsettled(one.token, one.completed);
  }
  // Those that are there now: more may come meanwhile.
  for (std::size_t left = download_counts_.size(); left > 0 && !waits;) {
    const auto counts = download_counts_.take(std::min(left, db::Catalogue::kMostRowsAtATime));
    left -= counts.size();
    const io::Result<> counted = co_await shared_.catalogue.count_downloads(loop_, counts);
    if (counted) continue;
    waits = is_for_all(counted.error());
    loop_.log().warn(fmt::format("downloads of {} links are not counted{}: {}", counts.size(), waits ? " yet" : "",
                                 io::describe(counted.error())));
    if (waits) download_counts_.put_back(counts);
  }
}

}  // namespace ringdrop::server
