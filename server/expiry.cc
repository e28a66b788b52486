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

Task<Result<bool>> sweep(io::EventLoop& loop, storage::BlobStore& blobs, db::Catalogue& catalogue) {
  const Result<std::vector<std::string>> ended = co_await catalogue.ended(loop, loop.epoch_ms(), kLinksARound);
  if (!ended) co_return std::unexpected(ended.error());
  for (const std::string& token : *ended) {
    const Result<bool> removed = co_await catalogue.remove(loop, token);
    if (!removed) co_return removed;
  }
  // A file is forgotten only when it is durably gone: a crash in between leaves it listed.
  const Result<std::vector<uint64_t>> garbage = co_await catalogue.garbage(loop, kFilesARound);
  if (!garbage) co_return std::unexpected(garbage.error());
  if (!garbage->empty()) {
    std::vector<storage::BlobId> files;
    for (const uint64_t file : *garbage) files.push_back(storage::BlobId{file});
    const Result<> removed = co_await blobs.remove_durably(files);
    if (!removed) co_return std::unexpected(removed.error());
    const Result<> forgotten = co_await catalogue.forget_garbage(loop, *garbage);
    if (!forgotten) co_return std::unexpected(forgotten.error());
  }
  co_return ended->size() == kLinksARound || garbage->size() == kFilesARound;
}

}  // namespace ringdrop::server
