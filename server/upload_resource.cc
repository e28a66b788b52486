#include "server/upload_resource.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/base62.h"
#include "db/tokens.h"
#include "server/http_error.h"
#include "server/stream_digest.h"
#include "server/upload_progress.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;
using proto::Rejection;

// How much may be read again after a crash, at most: of an upload that goes on, the state is saved so often.
constexpr io::Milliseconds kSavePause{5'000};
constexpr uint64_t kSaveBytes = 256 * kMiB;

Rejection log_failure(const Services& services, const char* what, const io::Error& error) {
  services.loop.log().error(fmt::format("{}: {}", what, io::describe(error)));
  return rejection_for(error);
}

std::vector<proto::DigestAlgorithm> algorithms_of(const std::vector<proto::Digester>& digesters) {
  std::vector<proto::DigestAlgorithm> algorithms;
  for (const proto::Digester& digester : digesters) algorithms.push_back(digester.algorithm());
  return algorithms;
}

// The bytes as they pass: into the digests of the whole, and into the one of this append.
Task<> update_both(StreamDigest& whole, StreamDigest* append, Bytes bytes) {
  if (!whole.empty()) co_await whole.update(bytes);
  if (append) co_await append->update(bytes);
}

}  // namespace

bool is_upload_id(std::string_view text) {
  const auto allowed = [](char c) { return is_base62(c) || c == '-' || c == '_'; };
  return text.size() >= 22 && text.size() <= 64 && std::ranges::all_of(text, allowed);
}

std::string make_upload_id(const Services& services) {
  return db::make_link_token(services.loop.ring());
}

std::string delete_token_of(std::string_view upload_id) {
  // 8 in 256 bytes are of no use for base 62: nearly always the first 32 have enough.
  std::string bytes;
  for (;;) {
    bytes += proto::hmac_sha256(upload_id, "delete" + std::string(bytes.size() / 32, '+'));
    const std::optional<std::string> token = base62_from_random(as_bytes(bytes), db::kLinkTokenCharacters);
    if (token) return *token;
  }
}

UploadResource::UploadResource(const Services& services, std::string id, UploadRegistry::Claim claim)
    : services_(services), id_(std::move(id)), claim_(std::move(claim)) {}

Task<UploadResource::Outcome<UploadResource::Ptr>> UploadResource::create(const Services& services,
                                                                          UploadCreation creation,
                                                                          std::stop_source cut) {
  std::optional<UploadRegistry::Claim> claim =
      services.uploads.try_claim(services.loop, proto::sha256(creation.id), std::move(cut));
  if (!claim) co_return std::unexpected(errors::kIdInUse);
  Ptr resource(new UploadResource(services, std::move(creation.id), std::move(*claim)));
  if (resource->claim_.take_parked()) co_return std::unexpected(errors::kIdInUse);

  Result<std::unique_ptr<storage::BlobWriter>> writer = co_await services.blobs.create(std::nullopt);
  if (!writer) co_return std::unexpected(log_failure(services, "an upload cannot begin", writer.error()));
  (*writer)->make_resumable(storage::Checksums());
  const Result<> entered = co_await (*writer)->sync_entry();
  Result<storage::ParkedBlob> blob = co_await (*writer)->park();
  if (!entered || !blob) {
    co_await (*writer)->discard();
    co_return std::unexpected(
        log_failure(services, "an upload cannot begin", entered ? blob.error() : entered.error()));
  }

  ParkedUpload& parked = resource->parked_;
  for (const proto::DigestAlgorithm algorithm : creation.digests.compute) parked.digesters.emplace_back(algorithm);
  db::Upload& row = parked.row;
  row.id_hash = resource->claim_.id_hash();
  row.file = blob->file.value;
  row.length = creation.length;
  row.created_at_ms = services.loop.epoch_ms();
  row.expires_at_ms = row.created_at_ms + services.config.upload_expires.count();
  row.name = std::move(creation.meta.name);
  row.content_type = std::move(creation.meta.content_type);
  row.metadata = std::move(creation.metadata);
  row.concat = std::move(creation.concat);
  row.options = format_options(creation.options);
  parked.blob = std::move(*blob);
  parked.expected = std::move(creation.digests.expected);
  row.progress = encode_progress(resource->progress());
  parked.saved_at = services.loop.now();
  const Result<> inserted = co_await services.catalogue.insert_upload(services.loop, row);
  if (!inserted) {
    if (!services.catalogue.failed()) co_await (*writer)->discard();
    if (inserted.error().code == io::Errc::exists) co_return std::unexpected(errors::kIdInUse);
    co_return std::unexpected(log_failure(services, "an upload cannot begin", inserted.error()));
  }
  (*writer)->settle();
  co_return std::move(resource);
}

Task<UploadResource::Outcome<UploadResource::Ptr>> UploadResource::open(const Services& services, std::string id,
                                                                        std::stop_source cut) {
  const io::TimePoint deadline = services.loop.now() + services.config.supersede_timeout;
  io::Task<Result<UploadRegistry::Claim>> claiming =
      services.uploads.claim(services.loop, proto::sha256(id), std::move(cut), deadline);
  Result<UploadRegistry::Claim> claim = co_await std::move(claiming);
  if (!claim) co_return std::unexpected(errors::kBusy);
  Ptr resource(new UploadResource(services, std::move(id), std::move(*claim)));
  const Outcome<void> loaded = co_await resource->load();
  if (!loaded) co_return std::unexpected(loaded.error());
  co_return std::move(resource);
}

Task<UploadResource::Outcome<void>> UploadResource::load() {
  std::optional<ParkedUpload> inherited = claim_.take_parked();
  if (inherited) {
    parked_ = std::move(*inherited);
    co_return Outcome<void>{};
  }
  Result<std::optional<db::Upload>> found = co_await services_.catalogue.find_upload(services_.loop, claim_.id_hash());
  if (!found) co_return std::unexpected(log_failure(services_, "an upload cannot be looked up", found.error()));
  if (!*found) co_return std::unexpected(errors::kNoUpload);
  parked_.row = std::move(**found);
  parked_.saved_at = services_.loop.now();
  if (!is_open()) {
    parked_.offset_bytes = parked_.row.length.value_or(0);
    co_return Outcome<void>{};
  }
  const Result<> loaded = co_await load_bytes();
  if (!loaded) co_return std::unexpected(log_failure(services_, "an unfinished upload cannot be read", loaded.error()));
  co_return Outcome<void>{};
}

// What is on disk of an open one. Its bytes are not looked at before somebody appends.
Task<Result<>> UploadResource::load_bytes() {
  const storage::BlobId file{row().file.value_or(0)};
  std::optional<UploadProgress> saved = decode_progress(row().progress);
  if (!saved) saved.emplace();
  Result<uint64_t> size = co_await services_.blobs.durable_size(file);
  if (!size) co_return std::unexpected(size.error());
  if (saved->cut_to && *saved->cut_to < *size) {
    const Result<> cut = co_await services_.blobs.cut(file, *saved->cut_to);
    if (!cut) co_return cut;
    size = *saved->cut_to;
  }
  parked_.offset_bytes = *size;
  storage::Checksums checksums(std::move(saved->whole_spans));
  if (checksums.bytes() > *size) checksums = storage::Checksums();
  parked_.blob.emplace(storage::ParkedBlob{file, std::move(checksums)});
  parked_.expected = std::move(saved->expected);
  const bool digests_fit = saved->digested_bytes <= *size;
  parked_.digested_bytes = digests_fit ? saved->digested_bytes : 0;
  for (const auto& [algorithm, state] : saved->digests) {
    std::optional<proto::Digester> digester = proto::Digester::restore(algorithm, state);
    if (!digester || !digests_fit) {
      parked_.digested_bytes = 0;
      digester.emplace(algorithm);
    }
    parked_.digesters.push_back(std::move(*digester));
  }
  co_return Result<>{};
}

// Reads what checksums and digests do not cover yet: after a crash, or a restart.
Task<Result<>> UploadResource::catch_up() {
  storage::Checksums& checksums = parked_.blob->checksums;
  const uint64_t size = parked_.offset_bytes;
  const bool digests = !parked_.digesters.empty();
  uint64_t at = digests ? std::min(checksums.bytes(), parked_.digested_bytes) : checksums.bytes();
  if (at >= size) {
    parked_.digested_bytes = size;
    co_return Result<>{};
  }
  storage::Extent extent;
  extent.file = parked_.blob->file;
  extent.length_bytes = size;
  std::vector<storage::Extent> extents;
  extents.push_back(std::move(extent));
  storage::BlobReader reader = services_.blobs.open_reader(std::move(extents));
  StreamDigest digest(services_.loop, services_.digest_lane, std::move(parked_.digesters));
  parked_.digesters.clear();
  while (at < size) {
    const std::stop_token no_stop;
    const io::TimePoint deadline = services_.loop.now() + services_.config.stall_timeout;
    Result<io::Buffer> buffer = co_await services_.pool.small(io::BufferPool::Use::upload, deadline, no_stop);
    if (!buffer) co_return std::unexpected(buffer.error());
    const MutableBytes room = buffer->bytes().first(std::min<uint64_t>(buffer->size(), size - at));
    const Result<std::size_t> got = co_await reader.read_some_at(room, at, buffer->fixed_buffer());
    if (!got) co_return std::unexpected(got.error());
    const Bytes bytes = room.first(*got);
    if (checksums.bytes() < at + *got) checksums.update(bytes.subspan(checksums.bytes() - at));
    if (digests && parked_.digested_bytes < at + *got) {
      co_await digest.update(bytes.subspan(parked_.digested_bytes - at));
      parked_.digested_bytes = at + *got;
    }
    at += *got;
  }
  Result<std::vector<proto::Digester>> digesters = digest.take();
  if (!digesters) co_return std::unexpected(digesters.error());
  parked_.digesters = std::move(*digesters);
  parked_.digested_bytes = size;
  co_return Result<>{};
}

uint64_t UploadResource::limit_bytes() const {
  return std::min(services_.config.max_upload_bytes, length().value_or(UINT64_MAX));
}

Task<AppendEnd> UploadResource::append(http::BodyReader& body, const std::stop_token& stop) {
  co_return co_await append_with(body, nullptr, stop);
}

Task<AppendEnd> UploadResource::append_checked(http::BodyReader& body, const proto::Digest& expected,
                                               const std::stop_token& stop) {
  const uint64_t before = offset_bytes();
  // From here on a crash leaves bytes that do not count: the catalogue knows it first.
  parked_.cut_to = before;
  const Result<> marked = co_await save();
  if (!marked) co_return AppendEnd::store_failed(marked.error());
  const std::vector<proto::DigestAlgorithm> algorithms{expected.algorithm};
  StreamDigest checked(services_.loop, services_.digest_lane, algorithms);
  AppendEnd end = co_await append_with(body, &checked, stop);
  if (end.kind == AppendEnd::Kind::whole) {
    const Result<std::vector<proto::Digest>> digests = checked.finish();
    if (!digests) end = AppendEnd::store_failed(digests.error());
    if (digests && digests->front() != expected) end = AppendEnd::refused(errors::kChecksumMismatch);
  }
  if (end.kind != AppendEnd::Kind::whole) {
    const Result<> cut = co_await cut_back(before);
    if (!cut) co_return AppendEnd::store_failed(cut.error());
  }
  parked_.cut_to.reset();
  const Result<> saved = co_await save();
  if (!saved) co_return AppendEnd::store_failed(saved.error());
  co_return end;
}

Task<AppendEnd> UploadResource::append_with(http::BodyReader& body, StreamDigest* checked,
                                            const std::stop_token& stop) {
  const Result<> caught_up = co_await catch_up();
  if (!caught_up) co_return AppendEnd::store_failed(caught_up.error());
  Result<std::unique_ptr<storage::BlobWriter>> writer =
      co_await services_.blobs.reopen(std::move(*parked_.blob), length());
  parked_.blob.reset();
  if (!writer) co_return AppendEnd::store_failed(writer.error());
  (*writer)->settle();  // its row is there

  StreamDigest digest(services_.loop, services_.digest_lane, std::move(parked_.digesters));
  parked_.digesters.clear();
  if (!digest.empty() || checked) {
    (*writer)->observe([&digest, checked](Bytes bytes) { return update_both(digest, checked, bytes); });
  }
  FileSink sink(**writer, limit_bytes());
  AppendEnd end = co_await append_body(services_, body, sink, stop);

  // Whatever ended it: what came is kept.
  Result<storage::ParkedBlob> parked = co_await (*writer)->park();
  Result<std::vector<proto::Digester>> digesters = digest.take();
  if (!parked) {
    services_.loop.log().error(fmt::format("an unfinished upload cannot be kept: {}", io::describe(parked.error())));
    co_return AppendEnd::store_failed(parked.error());
  }
  parked_.offset_bytes = parked->checksums.bytes();
  parked_.blob = std::move(*parked);
  if (digesters) {
    parked_.digesters = std::move(*digesters);
    parked_.digested_bytes = parked_.offset_bytes;
  } else {
    // Some bytes were not hashed: all of them once more, when it matters.
    for (const proto::DigestAlgorithm algorithm : digest.algorithms()) parked_.digesters.emplace_back(algorithm);
    parked_.digested_bytes = 0;
  }
  co_return end;
}

Task<Result<>> UploadResource::cut_back(uint64_t offset) {
  const storage::BlobId file{row().file.value_or(0)};
  const Result<> cut = co_await services_.blobs.cut(file, offset);
  if (!cut) co_return cut;
  // What was computed covers bytes that are gone: from the last whole span on, and the digests, it is done again.
  std::string spans = parked_.blob ? parked_.blob->checksums.whole_spans() : std::string();
  spans.resize(std::min<std::size_t>(spans.size(), offset / storage::kChecksumSpan * storage::kChecksumBytes));
  parked_.blob.emplace(storage::ParkedBlob{file, storage::Checksums(std::move(spans))});
  parked_.offset_bytes = offset;
  const std::vector<proto::DigestAlgorithm> algorithms = algorithms_of(parked_.digesters);
  parked_.digesters.clear();
  for (const proto::DigestAlgorithm algorithm : algorithms) parked_.digesters.emplace_back(algorithm);
  parked_.digested_bytes = 0;
  co_return Result<>{};
}

Task<UploadResource::Outcome<std::optional<CreatedLink>>> UploadResource::complete() {
  const Result<> caught_up = co_await catch_up();
  if (!caught_up) co_return std::unexpected(log_failure(services_, "an upload cannot be committed", caught_up.error()));
  StoredFile file;
  for (proto::Digester& digester : parked_.digesters) {
    file.digests.push_back({digester.algorithm(), digester.finish()});
  }
  parked_.digesters.clear();
  const bool same = std::ranges::all_of(parked_.expected, [&](const proto::Digest& digest) {
    return std::ranges::find(file.digests, digest) != file.digests.end();
  });
  if (!same) {
    const Outcome<void> failed = co_await cancel(db::UploadState::failed, "digest_mismatch");
    if (!failed) co_return std::unexpected(failed.error());
    co_return std::unexpected(errors::kDigestMismatch);
  }
  const storage::BlobId id = parked_.blob->file;
  // What was reserved behind it is not needed any more.
  const Result<> trimmed = co_await services_.blobs.cut(id, offset_bytes());
  if (!trimmed) co_return std::unexpected(log_failure(services_, "an upload cannot be committed", trimmed.error()));
  file.extent = {id, offset_bytes(), parked_.blob->checksums.finish()};
  file.meta.name = row().name;
  file.meta.content_type = row().content_type;

  const bool partial = row().concat == "partial";
  db::UploadEnds change;
  CreatedLink created;
  parked_.row.length = offset_bytes();
  parked_.row.state = db::UploadState::complete;
  parked_.row.expires_at_ms = services_.loop.epoch_ms() + (partial ? services_.config.upload_expires.count()
                                                                   : services_.config.finished_upload_ttl.count());
  UploadProgress whole;
  whole.whole_spans = file.extent.checksums;
  parked_.row.progress = encode_progress(whole);
  if (!partial) {
    created = make_link(services_, file, parse_stored_options(row().options), delete_token_of(id_));
    parked_.row.token = created.link.token;
    change.links.push_back(created.link);
  }
  change.ends.push_back({row(), partial ? db::FileFate::kept : db::FileFate::moved});
  const Result<> done = co_await services_.catalogue.end_uploads(services_.loop, change);
  if (!done) co_return std::unexpected(log_failure(services_, "an upload cannot be committed", done.error()));
  parked_.blob.reset();
  release(std::nullopt);
  if (partial) co_return std::optional<CreatedLink>{};
  co_return std::optional<CreatedLink>(std::move(created));
}

Task<std::optional<CreatedLink>> UploadResource::find_link() {
  if (row().token.empty()) co_return std::nullopt;
  Result<std::optional<db::Link>> link =
      co_await services_.catalogue.find(services_.loop, row().token, services_.loop.epoch_ms());
  if (!link || !*link) co_return std::nullopt;
  CreatedLink created;
  created.link = std::move(**link);
  created.delete_token = delete_token_of(id_);
  co_return std::move(created);
}

Task<UploadResource::Outcome<void>> UploadResource::cancel(db::UploadState state, std::string reason) {
  const std::string token = row().token;
  parked_.row.state = state;
  parked_.row.reason = std::move(reason);
  parked_.row.expires_at_ms = services_.loop.epoch_ms() + services_.config.finished_upload_ttl.count();
  db::UploadEnds change;
  change.ends.push_back({row(), db::FileFate::garbage});
  const Result<> ended = co_await services_.catalogue.end_uploads(services_.loop, change);
  if (!ended && ended.error().code != io::Errc::refused) {
    co_return std::unexpected(log_failure(services_, "an upload cannot be cancelled", ended.error()));
  }
  if (!token.empty()) {
    const Result<bool> removed = co_await services_.catalogue.remove(services_.loop, token);
    if (!removed) co_return std::unexpected(log_failure(services_, "a link cannot be removed", removed.error()));
  }
  parked_.blob.reset();
  release(std::nullopt);
  co_return Outcome<void>{};
}

UploadProgress UploadResource::progress() const {
  UploadProgress progress;
  if (parked_.blob) progress.whole_spans = parked_.blob->checksums.whole_spans();
  progress.digested_bytes = parked_.digested_bytes;
  for (const proto::Digester& digester : parked_.digesters) {
    progress.digests.emplace_back(digester.algorithm(), digester.save());
  }
  progress.expected = parked_.expected;
  progress.cut_to = parked_.cut_to;
  return progress;
}

Task<Result<>> UploadResource::save() {
  parked_.row.progress = encode_progress(progress());
  parked_.saved_at = services_.loop.now();
  parked_.saved_bytes = parked_.offset_bytes;
  co_return co_await services_.catalogue.save_upload(services_.loop, row());
}

Task<> UploadResource::park() {
  if (released_) co_return;
  if (!is_open()) {
    release(std::nullopt);
    co_return;
  }
  parked_.row.expires_at_ms = services_.loop.epoch_ms() + services_.config.upload_expires.count();
  const bool due = services_.loop.now() - parked_.saved_at >= kSavePause ||
                   parked_.offset_bytes - std::min(parked_.saved_bytes, parked_.offset_bytes) >= kSaveBytes;
  if (due) {
    const Result<> saved = co_await save();
    if (!saved)
      services_.loop.log().warn(fmt::format("an upload's state is not saved: {}", io::describe(saved.error())));
  }
  if (parked_.blob) {
    release(std::move(parked_));
  } else {
    release(std::nullopt);  // the next one asks the disk
  }
}

void UploadResource::release(std::optional<ParkedUpload> parked) {
  released_ = true;
  claim_.release(std::move(parked));
}

}  // namespace ringdrop::server
