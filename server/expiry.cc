#include "server/expiry.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/task_scope.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;

constexpr uint64_t kLinksARound = 64;
constexpr uint64_t kFilesARound = 256;

Task<> remove_link(io::EventLoop& loop, db::Catalogue& catalogue, const std::string& token, io::EpochMs now_ms,
                   Result<bool>& failure) {
  const Result<bool> removed = co_await catalogue.remove_ended(loop, token, now_ms);
  if (!removed) failure = removed;
}

// Rows of links that have ended go, their files become garbage. true: there may be more.
Task<Result<bool>> sweep_links(io::EventLoop& loop, db::Catalogue& catalogue, RunningDownloads& running) {
  const io::EpochMs now_ms = loop.epoch_ms();
  const Result<std::vector<std::string>> ended = co_await catalogue.ended(loop, now_ms, kLinksARound);
  if (!ended) co_return std::unexpected(ended.error());
  bool more = ended->size() == kLinksARound;
  Result<bool> failure = true;
  io::TaskScope removing(loop);  // side by side, so that they share a transaction
  for (const std::string& token : *ended) {
    if (running.has(token)) {
      more = false;
      continue;
    }
    removing.spawn(remove_link(loop, catalogue, token, now_ms, failure));
  }
  co_await removing.join();
  if (!failure) co_return failure;
  co_return more;
}

}  // namespace

Task<Result<bool>> sweep(io::EventLoop& loop, storage::BlobStore& blobs, db::Catalogue& catalogue,
                         RunningDownloads& running) {
  const Result<bool> swept = co_await sweep_links(loop, catalogue, running);
  // On a full disk a row cannot go; files that are listed already can, and make room for it.
  if (!swept && swept.error().code != io::Errc::no_space) co_return swept;
  // A file is forgotten only when it is durably gone: a crash in between leaves it listed.
  const Result<std::vector<uint64_t>> garbage = co_await catalogue.garbage(loop, kFilesARound);
  if (!garbage) co_return std::unexpected(garbage.error());
  if (garbage->empty()) co_return swept;
  std::vector<storage::BlobId> files;
  for (const uint64_t file : *garbage) files.push_back(storage::BlobId{file});
  const Result<std::vector<storage::BlobId>> gone = co_await blobs.remove_durably(files);
  if (!gone) co_return std::unexpected(gone.error());
  std::vector<uint64_t> forgettable;
  for (const storage::BlobId file : *gone) forgettable.push_back(file.value);
  const Result<> forgotten = co_await catalogue.forget_garbage(loop, forgettable);
  if (!forgotten) co_return std::unexpected(forgotten.error());
  if (!swept) co_return swept;
  co_return *swept || forgettable.size() == kFilesARound;
}

Task<Result<>> abandon_upload(io::EventLoop& loop, db::Catalogue& catalogue, ProgressHub& progress,
                              const Config& config, db::Upload row, db::UploadState state, const char* reason) {
  row.state = state;
  row.expires_at_ms = loop.epoch_ms() + config.finished_upload_ttl.count();
  if (state == db::UploadState::failed) row.reason = reason;
  db::UploadEnds change;
  const std::string watch_id = row.watch;
  change.ends.push_back({std::move(row), db::FileFate::garbage});
  const Result<> ended = co_await catalogue.end_uploads(loop, change);
  if (!ended) co_return ended;
  // Also for who has just read in the catalogue that it rests.
  ProgressHub::Ptr watched = progress.open(watch_id);
  watched->fail(reason);
  progress.keep(std::move(watched), loop.now() + config.finished_upload_ttl);
  co_return ended;
}

namespace {

// One that is due, under its claim. What is parked knows better than the catalogue when it expires.
Task<Result<>> sweep_upload(io::EventLoop& loop, db::Catalogue& catalogue, UploadRegistry::Claim& claim,
                            ProgressHub& progress, const Config& config) {
  const io::EpochMs now_ms = loop.epoch_ms();
  std::optional<ParkedUpload> parked = claim.take_parked();
  if (parked && parked->row.expires_at_ms > now_ms) {
    const Result<> saved = co_await catalogue.save_upload(loop, parked->row);
    claim.release(std::move(parked));
    co_return saved;
  }
  Result<std::optional<db::Upload>> found = co_await catalogue.find_upload(loop, claim.id_hash());
  if (!found) co_return std::unexpected(found.error());
  if (!*found || (*found)->expires_at_ms > now_ms) co_return Result<>{};
  db::Upload row = std::move(**found);
  if (row.state != db::UploadState::open) co_return co_await catalogue.forget_upload(loop, claim.id_hash());
  co_return co_await abandon_upload(loop, catalogue, progress, config, std::move(row), db::UploadState::expired,
                                    "expired");
}

}  // namespace

Task<Result<bool>> sweep_uploads(io::EventLoop& loop, db::Catalogue& catalogue, UploadRegistry& uploads,
                                 ProgressHub& progress, const Config& config) {
  progress.forget_ended(loop.now());
  const Result<std::vector<std::string>> due = co_await catalogue.due_uploads(loop, loop.epoch_ms(), kLinksARound);
  if (!due) co_return std::unexpected(due.error());
  uint64_t swept = 0;
  for (const std::string& id_hash : *due) {
    // One that a request has at this moment is not idle: the next round looks again.
    const std::stop_source nobody;
    std::optional<UploadRegistry::Claim> claim = uploads.try_claim(loop, id_hash, nobody);
    if (!claim) continue;
    const Result<> done = co_await sweep_upload(loop, catalogue, *claim, progress, config);
    if (!done) co_return std::unexpected(done.error());
    ++swept;
  }
  // When all of a round are in use, the next one would find the same.
  co_return due->size() == kLinksARound&& swept > 0;
}

}  // namespace ringdrop::server
