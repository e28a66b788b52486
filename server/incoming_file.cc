#include "server/incoming_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "server/http_error.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;
using proto::Rejection;

constexpr uint64_t kCataloguePageBytes = 4096;

bool all_match(const std::vector<proto::Digest>& computed, const std::vector<proto::Digest>& expected) {
  return std::ranges::all_of(
      expected, [&](const proto::Digest& digest) { return std::ranges::find(computed, digest) != computed.end(); });
}

}  // namespace

IncomingFile::IncomingFile(const Services& services, std::optional<uint64_t> length, DigestPlan plan)
    : services_(services),
      length_(length),
      held_(std::in_place, services.small_contents),
      plan_(std::move(plan)),
      digest_(services.loop, services.digest_lane, plan_.compute) {}

Task<Result<std::unique_ptr<IncomingFile>>> IncomingFile::create(const Services& services,
                                                                 std::optional<uint64_t> length, DigestPlan digests) {
  std::unique_ptr<IncomingFile> file(new IncomingFile(services, length, std::move(digests)));
  const bool may_be_small =
      length.value_or(0) <= services.small_contents.most_file_bytes() && services.catalogue.has_room_for_content();
  Result<> begun;
  if (may_be_small) {
    begun = co_await services.blobs.check_begin(length);
  } else {
    begun = co_await file->make_blob();
  }
  if (!begun) {
    services.loop.log().warn(fmt::format("an upload cannot begin: {}", io::describe(begun.error())));
    co_return std::unexpected(begun.error());
  }
  co_return std::move(file);
}

// What has come so far goes to disk, and so will the rest.
Task<Result<>> IncomingFile::make_blob() {
  Result<std::unique_ptr<storage::BlobWriter>> writer = co_await services_.blobs.create(length_);
  if (!writer) co_return std::unexpected(writer.error());
  writer_ = std::move(*writer);
  writer_->report_to(counter_, before_);
  if (!digest_.empty()) {
    writer_->observe([this](Bytes bytes) { return digest_.update(bytes); });
  }
  const std::optional<HeldContent> held = std::exchange(held_, std::nullopt);
  if (held->bytes().empty()) co_return Result<>{};
  co_return co_await writer_->write(as_bytes(held->bytes()));
}

void IncomingFile::report_to(std::atomic<uint64_t>* counter, uint64_t before) {
  counter_ = counter;
  before_ = before;
  if (writer_) writer_->report_to(counter, before);
}

std::size_t IncomingFile::room_to_alignment(std::size_t buffer_bytes) const {
  // Whatever follows what is held follows it in a blob.
  return held_ ? buffer_bytes - bytes_appended() % io::kDirectAlignment : writer_->room_to_alignment(buffer_bytes);
}

uint64_t IncomingFile::bytes_appended() const {
  return held_ ? held_->bytes().size() : writer_->bytes_appended();
}

Task<Result<>> IncomingFile::append(io::Buffer buffer, std::size_t bytes) {
  if (held_) {
    if (held_->try_append(buffer.bytes().first(bytes))) co_return Result<>{};
    const Result<> made = co_await make_blob();
    if (!made) co_return made;
  }
  co_return co_await writer_->append(std::move(buffer), bytes);
}

Task<Result<>> IncomingFile::write(Bytes bytes) {
  if (held_) {
    if (held_->try_append(bytes)) co_return Result<>{};
    const Result<> made = co_await make_blob();
    if (!made) co_return made;
  }
  co_return co_await writer_->write(bytes);
}

// Its bytes are durable, or held; all of them went through the digests.
Task<Result<>> IncomingFile::store(StoredFile& stored) {
  if (held_) {
    // After a failed sync the store takes nothing, and the catalogue is on the same disk. Its file grows by whole
    // pages.
    if (services_.blobs.failed()) co_return io::fail(io::Errc::system, "storage", EROFS);
    services_.blobs.count_taken(align_up(held_->bytes().size(), kCataloguePageBytes) + kCataloguePageBytes);
    if (!digest_.empty()) co_await digest_.update(as_bytes(held_->bytes()));
    stored.held.emplace(std::move(*held_));
    co_return Result<>{};
  }
  Result<storage::Extent> extent = co_await writer_->commit();
  if (!extent) co_return std::unexpected(extent.error());
  stored.extents.push_back(std::move(*extent));
  co_return Result<>{};
}

Task<std::expected<StoredFile, Rejection>> IncomingFile::finish(FileMeta meta) {
  StoredFile stored;
  const Result<> done = co_await store(stored);
  Result<std::vector<proto::Digest>> digests = digest_.finish();
  std::optional<Rejection> refused;
  if (!done || !digests) {
    const io::Error& error = done ? digests.error() : done.error();
    services_.loop.log().error(fmt::format("an upload cannot be committed: {}", io::describe(error)));
    refused = rejection_for(error);
  } else if (!all_match(*digests, plan_.expected)) {
    refused = errors::kDigestMismatch;
  }
  if (refused) {
    co_await discard();
    co_return std::unexpected(*refused);
  }
  stored.writer = std::move(writer_);
  stored.meta = std::move(meta);
  stored.digests = std::move(*digests);
  co_return std::move(stored);
}

Task<> IncomingFile::discard() {
  if (writer_) co_await writer_->discard();
  writer_.reset();  // its space is free when the client hears of it
}

}  // namespace ringdrop::server
