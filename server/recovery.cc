#include "server/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;
using storage::BlobId;

Task<Result<>> recover_directory(io::EventLoop& loop, storage::BlobStore& blobs, db::Catalogue& catalogue,
                                 uint32_t directory, RecoveryReport& report) {
  Result<std::vector<BlobId>> files = co_await blobs.list(directory);
  // The mark is made before the directory: a crash between the two leaves it alone.
  if (!files && files.error().code == io::Errc::not_found) files = std::vector<BlobId>{};
  if (!files) co_return std::unexpected(files.error());
  const uint64_t first = BlobId::make(directory, 0).value;
  const uint64_t last = BlobId::make(directory, storage::kFilesPerDirectory - 1).value;
  const Result<std::vector<uint64_t>> named = co_await catalogue.files_between(loop, first, last);
  if (!named) co_return std::unexpected(named.error());

  for (const BlobId file : *files) {
    if (std::ranges::binary_search(*named, file.value)) continue;
    const Result<> removed = co_await blobs.remove(file);
    if (!removed && removed.error().sys_errno == EISDIR) {
      // No server makes such a thing: whoever did may want it, and a start must not fail for it.
      loop.log().warn(fmt::format("{}/{} is a directory, not a file of ours: left alone",
                                  storage::directory_name(directory), file.file_name()));
      continue;
    }
    if (!removed && removed.error().code != io::Errc::not_found) co_return removed;
    ++report.removed_files;
  }
  for (const uint64_t value : *named) {
    if (std::ranges::binary_search(*files, BlobId{value})) continue;
    ++report.missing_files;
    loop.log().error(fmt::format("the catalogue names the file {}/{}, which is not there",
                                 storage::directory_name(directory), BlobId{value}.file_name()));
  }
  ++report.directories;
  co_return co_await blobs.mark_settled(directory);
}

}  // namespace

Task<Result<RecoveryReport>> recover(io::EventLoop& loop, storage::BlobStore& blobs, db::Catalogue& catalogue,
                                     std::stop_token stop) {
  RecoveryReport report;
  const Result<std::vector<uint32_t>> unsettled = co_await blobs.unsettled_directories();
  if (!unsettled) co_return std::unexpected(unsettled.error());
  for (const uint32_t directory : *unsettled) {
    if (stop.stop_requested()) co_return io::fail(io::Errc::cancelled, "recover");
    const Result<> recovered = co_await recover_directory(loop, blobs, catalogue, directory, report);
    if (!recovered) co_return std::unexpected(recovered.error());
  }
  co_return report;
}

}  // namespace ringdrop::server
