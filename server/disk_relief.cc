#include "server/disk_relief.h"

#include <fmt/format.h>

#include <algorithm>
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
// This part of the disk is plenty, if it is twice the floor.
constexpr uint64_t kPlenty = 10;
// How long the disk must be short before bytes go, and before more of them go: XFS and btrfs free what was removed a
// while later, and files stay open for a second or two after a download.
constexpr io::Milliseconds kPatience{5'000};

}  // namespace

Task<Result<bool>> DiskRelief::has_plenty(storage::BlobStore& blobs) const {
  const Result<io::FileSystemStatus> disk = co_await blobs.file_system();
  if (!disk) co_return std::unexpected(disk.error());
  co_return disk->free_bytes >= std::max(2 * config_.min_free_bytes, disk->total_bytes / kPlenty);
}

Task<Result<bool>> DiskRelief::step(storage::BlobStore& blobs, bool all_space_known) {
  const Result<io::FileSystemStatus> disk = co_await blobs.file_system();
  if (!disk) co_return std::unexpected(disk.error());
  const uint64_t least = config_.min_free_bytes - config_.min_free_bytes / kPartOfFloorToWorry;
  if (disk->free_bytes >= least) {
    since_.reset();
    co_return false;
  }
  if (!since_) since_ = loop_.now();
  const Result<> released = co_await release_reservations(loop_, blobs, uploads_, loop_.now());
  if (!released) co_return std::unexpected(released.error());
  const bool all_released = all_space_known && uploads_.holding_space(loop_.now(), 1).empty();
  if (!all_released || loop_.now() < *since_ + kPatience) co_return false;
  co_return co_await give_up_oldest(disk->free_bytes);
}

Task<Result<bool>> DiskRelief::give_up_oldest(uint64_t free_bytes) {
  const Result<std::vector<std::string>> oldest = co_await catalogue_.oldest_open_uploads(loop_, kUploadsAStep);
  if (!oldest) co_return std::unexpected(oldest.error());
  for (const std::string& id_hash : *oldest) {
    const std::stop_source nobody;
    std::optional<UploadRegistry::Claim> claim = uploads_.try_claim(loop_, id_hash, nobody);
    if (!claim) continue;
    const Result<bool> gave = co_await give_up(*claim);
    if (!gave) co_return gave;
    if (!*gave) continue;
    since_ = loop_.now();
    loop_.log().warn(
        fmt::format("the disk has {} left, less than min_free_space: the oldest unfinished upload gives way",
                    proto::format_size(free_bytes)));
    co_return true;
  }
  co_return false;
}

// One by its claim. false: it is younger than the catalogue thought, which knows now.
Task<Result<bool>> DiskRelief::give_up(UploadRegistry::Claim& claim) {
  Result<std::optional<db::Upload>> found = co_await catalogue_.find_upload(loop_, claim.id_hash());
  if (!found) co_return std::unexpected(found.error());
  if (!*found || (*found)->state != db::UploadState::open) co_return false;
  std::optional<ParkedUpload> parked = claim.take_parked();
  if (parked && parked->row.expires_at_ms > (*found)->expires_at_ms) {
    const Result<> saved = co_await catalogue_.save_upload(loop_, parked->row);
    claim.release(std::move(parked));
    if (!saved) co_return std::unexpected(saved.error());
    co_return false;
  }
  const Result<> ended = co_await abandon_upload(loop_, catalogue_, progress_, config_, std::move(**found),
                                                 db::UploadState::failed, "storage_full");
  if (!ended) co_return std::unexpected(ended.error());
  co_return true;
}

}  // namespace ringdrop::server
