#include "server/disk_relief.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/units.h"
#include "server/expiry.h"
#include "server/reservations.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;

constexpr uint64_t kUploadsAStep = 64;
// The catalogue's log lives on the floor too: so little below it is no distress.
constexpr uint64_t kPartOfFloorToWorry = 8;

bool in_distress(uint64_t free_bytes, uint64_t floor_bytes) {
  return free_bytes < floor_bytes - floor_bytes / kPartOfFloorToWorry;
}

// One by its claim. false: it is younger than the catalogue thought, which knows now.
Task<Result<bool>> give_up(io::EventLoop& loop, db::Catalogue& catalogue, UploadRegistry::Claim& claim,
                           ProgressHub& progress, const Config& config) {
  Result<std::optional<db::Upload>> found = co_await catalogue.find_upload(loop, claim.id_hash());
  if (!found) co_return std::unexpected(found.error());
  if (!*found || (*found)->state != db::UploadState::open) co_return false;
  std::optional<ParkedUpload> parked = claim.take_parked();
  if (parked && parked->row.expires_at_ms > (*found)->expires_at_ms) {
    const Result<> saved = co_await catalogue.save_upload(loop, parked->row);
    claim.release(std::move(parked));
    if (!saved) co_return std::unexpected(saved.error());
    co_return false;
  }
  const Result<> ended = co_await abandon_upload(loop, catalogue, progress, config, std::move(**found),
                                                 db::UploadState::failed, "storage_full");
  if (!ended) co_return std::unexpected(ended.error());
  co_return true;
}

}  // namespace

Task<Result<bool>> relieve_disk(io::EventLoop& loop, storage::BlobStore& blobs, db::Catalogue& catalogue,
                                UploadRegistry& uploads, ProgressHub& progress, const Config& config) {
  const Result<io::FileSystemStatus> disk = co_await blobs.file_system();
  if (!disk) co_return std::unexpected(disk.error());
  if (!in_distress(disk->free_bytes, config.min_free_bytes)) co_return false;

  const Result<> released = co_await release_reservations(loop, blobs, uploads, loop.now());
  if (!released) co_return std::unexpected(released.error());
  const Result<io::FileSystemStatus> now = co_await blobs.file_system();
  if (!now) co_return std::unexpected(now.error());
  if (!in_distress(now->free_bytes, config.min_free_bytes)) co_return false;

  const Result<std::vector<std::string>> oldest = co_await catalogue.oldest_open_uploads(loop, kUploadsAStep);
  if (!oldest) co_return std::unexpected(oldest.error());
  for (const std::string& id_hash : *oldest) {
    const std::stop_source nobody;
    std::optional<UploadRegistry::Claim> claim = uploads.try_claim(loop, id_hash, nobody);
    if (!claim) continue;
    const Result<bool> gave = co_await give_up(loop, catalogue, *claim, progress, config);
    if (!gave) co_return gave;
    if (!*gave) continue;
    loop.log().warn(
        fmt::format("the disk has {} left, less than min_free_space: the oldest unfinished upload gives way",
                    proto::format_size(now->free_bytes)));
    co_return true;
  }
  co_return false;
}

}  // namespace ringdrop::server
