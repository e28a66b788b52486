#include "server/incoming_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/http_error.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;
using proto::Rejection;

bool all_match(const std::vector<proto::Digest>& computed, const std::vector<proto::Digest>& expected) {
  return std::ranges::all_of(
      expected, [&](const proto::Digest& digest) { return std::ranges::find(computed, digest) != computed.end(); });
}

}  // namespace

IncomingFile::IncomingFile(const Services& services, std::unique_ptr<storage::BlobWriter> writer, DigestPlan plan)
    : writer_(std::move(writer)), plan_(std::move(plan)), digest_(services.loop, services.digest_lane, plan_.compute) {
  if (!digest_.empty()) {
    writer_->observe([this](Bytes bytes) { return digest_.update(bytes); });
  }
}

Task<Result<std::unique_ptr<IncomingFile>>> IncomingFile::create(const Services& services,
                                                                 std::optional<uint64_t> length, DigestPlan digests) {
  Result<std::unique_ptr<storage::BlobWriter>> writer = co_await services.blobs.create(length);
  if (!writer) {
    services.loop.log().warn(fmt::format("an upload cannot begin: {}", io::describe(writer.error())));
    co_return std::unexpected(writer.error());
  }
  co_return std::unique_ptr<IncomingFile>(new IncomingFile(services, std::move(*writer), std::move(digests)));
}

Task<std::expected<StoredFile, Rejection>> IncomingFile::finish(const Services& services, FileMeta meta) {
  Result<storage::Extent> extent = co_await writer_->commit();
  Result<std::vector<proto::Digest>> digests = digest_.finish();
  std::optional<Rejection> refused;
  if (!extent || !digests) {
    const io::Error& error = extent ? digests.error() : extent.error();
    services.loop.log().error(fmt::format("an upload cannot be committed: {}", io::describe(error)));
    refused = rejection_for(error);
  } else if (!all_match(*digests, plan_.expected)) {
    refused = errors::kDigestMismatch;
  }
  if (refused) {
    co_await discard();
    co_return std::unexpected(*refused);
  }
  StoredFile stored;
  stored.writer = std::move(writer_);
  stored.extents.push_back(std::move(*extent));
  stored.meta = std::move(meta);
  stored.digests = std::move(*digests);
  co_return std::move(stored);
}

Task<> IncomingFile::discard() {
  co_await writer_->discard();
  writer_.reset();  // its space is free when the client hears of it
}

}  // namespace ringdrop::server
