#include "db/catalogue.h"

#include <algorithm>
#include <coroutine>
#include <iterator>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace ringdrop::db {
namespace {

// Awaits `work(Tables&)`, which returns an io::Result<T>, as one write of a batch: its value, its
// own error, or that of the transaction. The counterpart of io::OnLane for the writer lane.
template <class Work>
class [[nodiscard]] OnWriter final : private WriteJob {
 public:
  using Outcome = std::invoke_result_t<Work&, Tables&>;

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
  io::Result<> write(Tables& tables) override {
    written_.emplace(work_(tables));
    if (!*written_) return std::unexpected(written_->error());
    return {};
  }
  void complete(int32_t) noexcept override {
    loop_.begin_step("what follows a write of the catalogue");
    coroutine_.resume();
  }

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

// Awaits `read(Tables&)`, which returns an io::Result<T>, on the reader lane. The lambda lives in the caller, which
// waits.
template <class Read>
io::Task<std::invoke_result_t<const Read&, Tables&>> on_reader(io::EventLoop& loop, io::Lane& lane, CatalogueFile& file,
                                                               const Read& read) {
  auto result = co_await io::run_on(loop, lane, [&] { return file.read(read); });
  if (!result) co_return std::unexpected(result.error());
  co_return *std::move(result);
}

}  // namespace

io::Task<io::Result<>> Catalogue::insert(io::EventLoop& loop, std::span<const Link> links) {
  const auto insert_all = [&](Tables& tables) {
    for (const Link& link : links) {
      io::Result<> inserted = tables.links.insert(link);
      if (!inserted) return inserted;
    }
    return io::Result<>{};
  };
  const io::Result<> inserted = co_await on_writer(loop, writer_lane_, file_, insert_all);
  co_return inserted;
}

io::Task<io::Result<bool>> Catalogue::remove_ended(io::EventLoop& loop, std::string_view token, io::EpochMs now_ms) {
  const io::Result<bool> removed = co_await on_writer(
      loop, writer_lane_, file_, [&](Tables& tables) { return tables.links.remove_ended(token, now_ms); });
  versions_.changed(token);
  co_return removed;
}

io::Task<io::Result<bool>> Catalogue::set_expiry(io::EventLoop& loop, std::string_view token,
                                                 std::optional<io::EpochMs> expires_at_ms, io::EpochMs now_ms) {
  const io::Result<bool> changed = co_await on_writer(
      loop, writer_lane_, file_, [&](Tables& tables) { return tables.links.set_expiry(token, expires_at_ms, now_ms); });
  versions_.changed(token);
  co_return changed;
}

io::Task<io::Result<bool>> Catalogue::take_download(io::EventLoop& loop, std::string_view token) {
  const io::Result<bool> taken =
      co_await on_writer(loop, writer_lane_, file_, [&](Tables& tables) { return tables.links.take_download(token); });
  co_return taken;
}

io::Task<io::Result<>> Catalogue::settle_download(io::EventLoop& loop, std::string_view token, bool completed) {
  const io::Result<> settled = co_await on_writer(
      loop, writer_lane_, file_, [&](Tables& tables) { return tables.links.settle_download(token, completed); });
  co_return settled;
}

io::Task<io::Result<>> Catalogue::count_downloads(io::EventLoop& loop, std::span<const DownloadCount> counts) {
  CHECK_THAT(counts.size() <= kMostRowsAtATime);
  const io::Result<> counted = co_await on_writer(loop, writer_lane_, file_,
                                                  [&](Tables& tables) { return tables.links.count_downloads(counts); });
  co_return counted;
}

io::Task<io::Result<>> Catalogue::forget_garbage(io::EventLoop& loop, const std::vector<uint64_t>& files) {
  const io::Result<> forgotten =
      co_await on_writer(loop, writer_lane_, file_, [&](Tables& tables) { return tables.links.forget_garbage(files); });
  co_return forgotten;
}

io::Task<io::Result<std::optional<Link>>> Catalogue::find(io::EventLoop& loop, std::string_view token,
                                                          io::EpochMs now_ms) {
  const auto find = [&](Tables& tables) { return tables.links.find(token, now_ms); };
  co_return co_await on_reader(loop, reader_lane_, file_, find);
}

io::Task<io::Result<std::vector<std::string>>> Catalogue::ended(io::EventLoop& loop, io::EpochMs now_ms,
                                                                uint64_t most) {
  const auto list = [&](Tables& tables) { return tables.links.ended(now_ms, most); };
  co_return co_await on_reader(loop, reader_lane_, file_, list);
}

io::Task<io::Result<std::vector<uint64_t>>> Catalogue::garbage(io::EventLoop& loop, uint64_t most) {
  const auto list = [&](Tables& tables) { return tables.links.garbage(most); };
  co_return co_await on_reader(loop, reader_lane_, file_, list);
}

io::Task<io::Result<std::vector<uint64_t>>> Catalogue::files_between(io::EventLoop& loop, uint64_t first,
                                                                     uint64_t last) {
  const auto list = [&](Tables& tables) -> io::Result<std::vector<uint64_t>> {
    io::Result<std::vector<uint64_t>> of_links = tables.links.files_between(first, last);
    if (!of_links) return of_links;
    const io::Result<std::vector<uint64_t>> of_uploads = tables.uploads.files_between(first, last);
    if (!of_uploads) return of_uploads;
    std::vector<uint64_t> all;
    std::ranges::set_union(*of_links, *of_uploads, std::back_inserter(all));
    return all;
  };
  co_return co_await on_reader(loop, reader_lane_, file_, list);
}

io::Task<io::Result<bool>> Catalogue::give_back_pages(io::EventLoop& loop) {
  co_return co_await on_writer(loop, writer_lane_, file_, [&](Tables&) { return file_.give_back_pages(); });
}

io::Task<io::Result<>> Catalogue::insert_upload(io::EventLoop& loop, const Upload& upload) {
  const io::Result<> inserted =
      co_await on_writer(loop, writer_lane_, file_, [&](Tables& tables) { return tables.uploads.insert(upload); });
  co_return inserted;
}

io::Task<io::Result<std::optional<Upload>>> Catalogue::find_upload(io::EventLoop& loop, std::string_view id_hash) {
  const auto find = [&](Tables& tables) { return tables.uploads.find(id_hash); };
  co_return co_await on_reader(loop, reader_lane_, file_, find);
}

io::Task<io::Result<std::optional<Upload>>> Catalogue::find_watched(io::EventLoop& loop, std::string_view watch) {
  const auto find = [&](Tables& tables) { return tables.uploads.find_watched(watch); };
  co_return co_await on_reader(loop, reader_lane_, file_, find);
}

io::Task<io::Result<>> Catalogue::save_uploads(io::EventLoop& loop, std::span<const Upload> uploads) {
  CHECK_THAT(uploads.size() <= kMostRowsAtATime);
  const auto save_all = [&](Tables& tables) -> io::Result<> {
    for (const Upload& upload : uploads) {
      const io::Result<> saved = tables.uploads.save_progress(upload);
      if (!saved) return saved;
    }
    return {};
  };
  const io::Result<> saved = co_await on_writer(loop, writer_lane_, file_, save_all);
  co_return saved;
}

io::Task<io::Result<std::vector<OpenUpload>>> Catalogue::open_uploads(io::EventLoop& loop, uint64_t first_file,
                                                                      uint64_t most) {
  const auto list = [&](Tables& tables) { return tables.uploads.open_uploads(first_file, most); };
  co_return co_await on_reader(loop, reader_lane_, file_, list);
}

io::Task<io::Result<>> Catalogue::end_uploads(io::EventLoop& loop, const UploadEnds& change) {
  const auto end_all = [&](Tables& tables) -> io::Result<> {
    for (const UploadEnds::End& one : change.ends) {
      const io::Result<bool> ended = tables.uploads.end(one.upload, one.fate);
      if (!ended) return std::unexpected(ended.error());
      if (!*ended) return io::fail(io::Errc::refused, "end an upload");
    }
    for (const Upload& upload : change.inserts) {
      const io::Result<> inserted = tables.uploads.insert(upload);
      if (!inserted) return inserted;
    }
    for (const Link& link : change.links) {
      const io::Result<> inserted = tables.links.insert(link);
      if (!inserted) return inserted;
    }
    return {};
  };
  const io::Result<> done = co_await on_writer(loop, writer_lane_, file_, end_all);
  co_return done;
}

io::Task<io::Result<std::vector<std::string>>> Catalogue::due_uploads(io::EventLoop& loop, io::EpochMs now_ms,
                                                                      uint64_t most) {
  const auto list = [&](Tables& tables) { return tables.uploads.due(now_ms, most); };
  co_return co_await on_reader(loop, reader_lane_, file_, list);
}

io::Task<io::Result<std::vector<std::string>>> Catalogue::oldest_open_uploads(io::EventLoop& loop, uint64_t most) {
  const auto list = [&](Tables& tables) { return tables.uploads.oldest_open(most); };
  co_return co_await on_reader(loop, reader_lane_, file_, list);
}

io::Task<io::Result<>> Catalogue::forget_upload(io::EventLoop& loop, std::string_view id_hash) {
  const io::Result<> forgotten =
      co_await on_writer(loop, writer_lane_, file_, [&](Tables& tables) { return tables.uploads.forget(id_hash); });
  co_return forgotten;
}

io::Task<io::Result<>> Catalogue::probe(io::EventLoop& loop) {
  const io::Result<> probed = co_await on_writer(loop, writer_lane_, file_, [&](Tables&) { return file_.probe(); });
  co_return probed;
}

io::Task<io::Result<bool>> Catalogue::checkpoint_if_due(io::EventLoop& loop) {
  CheckpointClaim claim = file_.claim_checkpoint();
  if (!claim) co_return false;
  auto made = co_await io::run_on(loop, checkpoint_lane_, [&] {
    // Let go of here: the writer may have to wait for it.
    const CheckpointClaim held = std::move(claim);
    return file_.checkpoint();
  });
  if (!made) co_return std::unexpected(made.error());
  co_return *std::move(made);
}

}  // namespace ringdrop::db
