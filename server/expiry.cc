#include "server/expiry.h"

#include <string>
#include <vector>

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;

constexpr uint64_t kLinksARound = 64;
constexpr uint64_t kFilesARound = 256;

}  // namespace

Task<Result<bool>> sweep(io::EventLoop& loop, storage::BlobStore& blobs, db::Catalogue& catalogue,
                         RunningDownloads& running) {
  const io::EpochMs now_ms = loop.epoch_ms();
  const Result<std::vector<std::string>> ended = co_await catalogue.ended(loop, now_ms, kLinksARound);
  if (!ended) co_return std::unexpected(ended.error());
  bool more = ended->size() == kLinksARound;
  for (const std::string& token : *ended) {
    if (running.has(token)) {
      more = false;
      continue;
    }
    const Result<bool> removed = co_await catalogue.remove_ended(loop, token, now_ms);
    if (!removed) co_return removed;
  }
  // A file is forgotten only when it is durably gone: a crash in between leaves it listed.
  const Result<std::vector<uint64_t>> garbage = co_await catalogue.garbage(loop, kFilesARound);
  if (!garbage) co_return std::unexpected(garbage.error());
  if (garbage->empty()) co_return more;
  std::vector<storage::BlobId> files;
  for (const uint64_t file : *garbage) files.push_back(storage::BlobId{file});
  const Result<std::vector<storage::BlobId>> gone = co_await blobs.remove_durably(files);
  if (!gone) co_return std::unexpected(gone.error());
  std::vector<uint64_t> forgettable;
  for (const storage::BlobId file : *gone) forgettable.push_back(file.value);
  const Result<> forgotten = co_await catalogue.forget_garbage(loop, forgettable);
  if (!forgotten) co_return std::unexpected(forgotten.error());
  co_return more || forgettable.size() == kFilesARound;
}

}  // namespace ringdrop::server
