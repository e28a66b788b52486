#include "db/catalogue.h"

#include <coroutine>
#include <type_traits>
#include <utility>

namespace ringdrop::db {
namespace {

// Awaits `work(LinkTable&)`, which returns an io::Result<T>, as one write of a batch: its value, its
// own error, or that of the transaction. The counterpart of io::OnLane for the writer lane.
template <class Work>
class [[nodiscard]] OnWriter final : private WriteJob {
 public:
  using Outcome = std::invoke_result_t<Work&, LinkTable&>;

  OnWriter(io::EventLoop& loop, io::Lane& lane, CatalogueFile& file, Work work)
      : WriteJob(file), loop_(loop), lane_(lane), work_(std::move(work)) {}

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> coroutine) {
    coroutine_ = coroutine;
    // Once it is taken the writer may run it: nothing of this is touched after enqueue().
    if (lane_.enqueue(*this, loop_.ring())) return true;
    refuse({io::Errc::exhausted, 0, "writer lane"});
    return false;
  }
  Outcome await_resume() {
    if (!outcome()) return std::unexpected(outcome().error());
    return std::move(*written_);
  }

 private:
  io::Result<> write(LinkTable& links) override {
    written_.emplace(work_(links));
    if (!*written_) return std::unexpected(written_->error());
    return {};
  }
  void complete(int32_t) noexcept override { coroutine_.resume(); }

  io::EventLoop& loop_;
  io::Lane& lane_;
  Work work_;
  std::coroutine_handle<> coroutine_;
  std::optional<Outcome> written_;
};

template <class Work>
OnWriter<Work> on_writer(io::EventLoop& loop, io::Lane& lane, CatalogueFile& file, Work work) {
  return OnWriter<Work>(loop, lane, file, std::move(work));
}

// Awaits `read(LinkTable&)`, which returns an io::Result<T>, on the reader lane. The lambda lives in the caller, which
// waits.
template <class Read>
io::Task<std::invoke_result_t<const Read&, LinkTable&>> on_reader(io::EventLoop& loop, io::Lane& lane,
                                                                  CatalogueFile& file, const Read& read) {
  auto result = co_await io::run_on(loop, lane, [&] { return file.read(read); });
  if (!result) co_return std::unexpected(result.error());
  co_return *std::move(result);
}

}  // namespace

io::Task<io::Result<>> Catalogue::insert(io::EventLoop& loop, std::span<const Link> links) {
  const auto insert_all = [&](LinkTable& table) {
    for (const Link& link : links) {
      io::Result<> inserted = table.insert(link);
      if (!inserted) return inserted;
    }
    return io::Result<>{};
  };
  const io::Result<> inserted = co_await on_writer(loop, writer_lane_, file_, insert_all);
  co_return inserted;
}

io::Task<io::Result<bool>> Catalogue::remove(io::EventLoop& loop, std::string_view token) {
  const io::Result<bool> removed =
      co_await on_writer(loop, writer_lane_, file_, [&](LinkTable& links) { return links.remove(token); });
  co_return removed;
}

io::Task<io::Result<bool>> Catalogue::set_expiry(io::EventLoop& loop, std::string_view token,
                                                 std::optional<io::EpochMs> expires_at_ms, io::EpochMs now_ms) {
  const io::Result<bool> changed = co_await on_writer(
      loop, writer_lane_, file_, [&](LinkTable& links) { return links.set_expiry(token, expires_at_ms, now_ms); });
  co_return changed;
}

io::Task<io::Result<bool>> Catalogue::take_download(io::EventLoop& loop, std::string_view token, io::EpochMs now_ms) {
  const io::Result<bool> taken = co_await on_writer(
      loop, writer_lane_, file_, [&](LinkTable& links) { return links.take_download(token, now_ms); });
  co_return taken;
}

io::Task<io::Result<>> Catalogue::settle_download(io::EventLoop& loop, std::string_view token, bool completed) {
  const io::Result<> settled = co_await on_writer(
      loop, writer_lane_, file_, [&](LinkTable& links) { return links.settle_download(token, completed); });
  co_return settled;
}

io::Task<io::Result<>> Catalogue::count_downloads(io::EventLoop& loop, const std::vector<DownloadCount>& counts) {
  const io::Result<> counted =
      co_await on_writer(loop, writer_lane_, file_, [&](LinkTable& links) { return links.count_downloads(counts); });
  co_return counted;
}

io::Task<io::Result<>> Catalogue::forget_garbage(io::EventLoop& loop, const std::vector<uint64_t>& files) {
  const io::Result<> forgotten =
      co_await on_writer(loop, writer_lane_, file_, [&](LinkTable& links) { return links.forget_garbage(files); });
  co_return forgotten;
}

io::Task<io::Result<std::optional<Link>>> Catalogue::find(io::EventLoop& loop, std::string_view token,
                                                          io::EpochMs now_ms) {
  const auto find = [&](LinkTable& links) { return links.find(token, now_ms); };
  co_return co_await on_reader(loop, reader_lane_, file_, find);
}

io::Task<io::Result<std::vector<std::string>>> Catalogue::ended(io::EventLoop& loop, io::EpochMs now_ms,
                                                                uint64_t most) {
  const auto list = [&](LinkTable& links) { return links.ended(now_ms, most); };
  co_return co_await on_reader(loop, reader_lane_, file_, list);
}

io::Task<io::Result<std::vector<uint64_t>>> Catalogue::garbage(io::EventLoop& loop, uint64_t most) {
  const auto list = [&](LinkTable& links) { return links.garbage(most); };
  co_return co_await on_reader(loop, reader_lane_, file_, list);
}

io::Task<io::Result<std::vector<uint64_t>>> Catalogue::files_between(io::EventLoop& loop, uint64_t first,
                                                                     uint64_t last) {
  const auto list = [&](LinkTable& links) { return links.files_between(first, last); };
  co_return co_await on_reader(loop, reader_lane_, file_, list);
}

io::Task<io::Result<bool>> Catalogue::checkpoint_if_due(io::EventLoop& loop) {
  if (!file_.claim_checkpoint()) co_return false;
  auto made = co_await io::run_on(loop, checkpoint_lane_, [&] { return file_.checkpoint(); });
  file_.release_checkpoint();
  if (!made) co_return std::unexpected(made.error());
  co_return *std::move(made);
}

}  // namespace ringdrop::db
