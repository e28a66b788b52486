#include "server/reservations.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;

constexpr uint64_t kUploadsARound = 64;

// The others are not to wait for one whose file is broken.
void log_failure(io::EventLoop& loop, const io::Error& error) {
  loop.log().warn(fmt::format("space of an unfinished upload is not given back: {}", io::describe(error)));
}

}  // namespace

Task<Result<>> release_reservations(io::EventLoop& loop, storage::BlobStore& blobs, UploadRegistry& uploads,
                                    io::TimePoint idle_since) {
  for (const std::string& id_hash : uploads.holding_space(idle_since, kUploadsARound)) {
    const std::stop_source nobody;
    std::optional<UploadRegistry::Claim> claim = uploads.try_claim(loop, id_hash, nobody);
    if (!claim) continue;
    std::optional<ParkedUpload> parked = claim->take_parked();
    if (!parked || !parked->blob) continue;
    const Result<> cut = co_await blobs.cut(parked->blob->file, parked->offset_bytes);
    if (!cut) {  // without its state the next request asks the disk
      log_failure(loop, cut.error());
      continue;
    }
    parked->blob->reserved_bytes = parked->offset_bytes;
    claim->release(std::move(parked));
  }
  co_return Result<>{};
}

Task<Result<bool>> release_left_reservations(io::EventLoop& loop, storage::BlobStore& blobs, db::Catalogue& catalogue,
                                             UploadRegistry& uploads, uint64_t& next_file) {
  const Result<std::vector<db::OpenUpload>> open = co_await catalogue.open_uploads(loop, next_file, kUploadsARound);
  if (!open) co_return std::unexpected(open.error());
  for (const db::OpenUpload& one : *open) {
    next_file = one.file + 1;
    const std::stop_source nobody;
    std::optional<UploadRegistry::Claim> claim = uploads.try_claim(loop, one.id_hash, nobody);
    if (!claim) continue;
    // One that was asked for meanwhile knows what it holds: release_reservations() sees to it.
    if (std::optional<ParkedUpload> parked = claim->take_parked()) {
      claim->release(std::move(parked));
      continue;
    }
    const storage::BlobId file{one.file};
    const Result<io::FileStatus> status = co_await blobs.durable_status(file);
    if (!status) continue;  // its next request hears of it
    const Result<> cut = co_await blobs.cut(file, status->size_bytes);
    if (!cut) log_failure(loop, cut.error());
  }
  co_return open->size() == kUploadsARound;
}

}  // namespace ringdrop::server
