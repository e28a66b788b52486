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

}  // namespace

io::Task<io::Result<>> Catalogue::insert(io::EventLoop& loop, const Link& link) {
  const io::Result<> inserted =
      co_await on_writer(loop, writer_lane_, file_, [&](LinkTable& links) { return links.insert(link); });
  co_return inserted;
}

io::Task<io::Result<std::optional<Link>>> Catalogue::remove(io::EventLoop& loop, std::string_view token) {
  io::Result<std::optional<Link>> removed =
      co_await on_writer(loop, writer_lane_, file_, [&](LinkTable& links) { return links.remove(token); });
  co_return std::move(removed);
}

io::Task<io::Result<std::optional<Link>>> Catalogue::find(io::EventLoop& loop, std::string_view token) {
  auto found = co_await io::run_on(loop, reader_lane_,
                                   [&] { return file_.read([&](LinkTable& links) { return links.find(token); }); });
  if (!found) co_return std::unexpected(found.error());
  co_return *std::move(found);
}

io::Task<io::Result<std::vector<uint64_t>>> Catalogue::files_between(io::EventLoop& loop, uint64_t first,
                                                                     uint64_t last) {
  auto files = co_await io::run_on(loop, reader_lane_, [&] {
    return file_.read([&](LinkTable& links) { return links.files_between(first, last); });
  });
  if (!files) co_return std::unexpected(files.error());
  co_return *std::move(files);
}

io::Task<io::Result<bool>> Catalogue::checkpoint_if_due(io::EventLoop& loop) {
  if (!file_.claim_checkpoint()) co_return false;
  auto made = co_await io::run_on(loop, checkpoint_lane_, [&] { return file_.checkpoint(); });
  file_.release_checkpoint();
  if (!made) co_return std::unexpected(made.error());
  co_return *std::move(made);
}

}  // namespace ringdrop::db
