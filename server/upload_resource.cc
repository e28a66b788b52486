#include "server/upload_resource.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/http_error.h"
#include "server/stream_digest.h"
#include "server/upload_checkpoint.h"
#include "server/watched_request.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;
using proto::Rejection;

// How much may be read again after a crash, at most: of an upload that goes on, the state is saved so often.
constexpr io::Milliseconds kSavePause{5'000};
constexpr uint64_t kSaveBytes = 256 * kMiB;

// Who waits for an upload that cannot be made after all hears of it.
struct Announced {
  Announced() = default;
  Announced(const Announced&) = delete;
  Announced& operator=(const Announced&) = delete;
  ~Announced() {
    if (record && !made) record->fail("broken_off");
  }

  ProgressHub::Ptr record;
  bool made = false;
};

Rejection log_failure(const Services& services, const char* what, const io::Error& error) {
  services.loop.log().error(fmt::format("{}: {}", what, io::describe(error)));
  return rejection_for(error);
}

}  // namespace

UploadResource::UploadResource(const Services& services, std::string id, UploadRegistry::Claim claim)
    : services_(services), id_(std::move(id)), claim_(std::move(claim)) {}

Task<UploadResource::Outcome<UploadResource::Ptr>> UploadResource::create(const Services& services,
                                                                          UploadCreation creation,
                                                                          std::stop_source cut) {
  std::optional<UploadRegistry::Claim> claim =
      services.uploads.try_claim(services.loop, proto::sha256(creation.id), std::move(cut));
  if (!claim) co_return std::unexpected(errors::kIdInUse);
  Ptr resource(new UploadResource(services, std::move(creation.id), std::move(*claim)));
  if (std::optional<ParkedUpload> known = resource->claim_.take_parked()) {
    resource->release(std::move(known));
    co_return std::unexpected(errors::kIdInUse);
  }

  // What cannot fit is refused before anything comes.
  const Result<> room = co_await services.blobs.check_room(creation.length.value_or(0));
  if (!room) co_return std::unexpected(rejection_for(room.error()));
  Announced announced;
  std::string watch_id = std::move(creation.watch_id);
  if (watch_id.empty()) {
    watch_id = watch_id_of(resource->id());
    announced.record = services.progress.announce(watch_id);
    if (!announced.record) co_return std::unexpected(errors::kIdInUse);  // it has ended
  } else {
    auto chosen = co_await announce_chosen(services, watch_id);
    if (!chosen) co_return std::unexpected(chosen.error());
    announced.record = std::move(*chosen);
  }
  Result<std::unique_ptr<storage::BlobWriter>> writer = co_await services.blobs.create(std::nullopt);
  if (!writer) co_return std::unexpected(log_failure(services, "an upload cannot begin", writer.error()));
  (*writer)->make_resumable(storage::Checksums(), std::string(), 0);
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
  row.watch = watch_id;
  resource->watch_id_ = std::move(watch_id);
  announced.record->set_total(row.length);
  parked.watched = announced.record;
  parked.blob = std::move(*blob);
  parked.expected = std::move(creation.digests.expected);
  row.progress = encode_checkpoint(checkpoint_of(parked));
  parked.saved_at = services.loop.now();
  const Result<> inserted = co_await services.catalogue.insert_upload(services.loop, row);
  if (!inserted) {
    if (!services.catalogue.failed()) co_await (*writer)->discard();
    if (inserted.error().code == io::Errc::exists) co_return std::unexpected(errors::kIdInUse);
    co_return std::unexpected(log_failure(services, "an upload cannot begin", inserted.error()));
  }
  (*writer)->settle();
  announced.made = true;
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
    watch_id_ = row().watch;
    if (has_expired()) co_return co_await expire();
    co_return Outcome<void>{};
  }
  Result<std::optional<db::Upload>> found = co_await services_.catalogue.find_upload(services_.loop, claim_.id_hash());
  if (!found) co_return std::unexpected(log_failure(services_, "an upload cannot be looked up", found.error()));
  if (!*found) co_return std::unexpected(errors::kNoUpload);
  // saved_at stays unknown: the first to give it back writes when it expires now.
  parked_.row = std::move(**found);
  watch_id_ = row().watch;
  if (has_expired()) co_return co_await expire();
  if (!is_open()) {
    parked_.offset_bytes = parked_.row.length.value_or(0);
    co_return Outcome<void>{};
  }
  const Result<> loaded = co_await load_bytes();
  if (!loaded) co_return std::unexpected(log_failure(services_, "an unfinished upload cannot be read", loaded.error()));
  if (row().watch.empty()) parked_.row.watch = watch_id_ = watch_id_of(id_);  // it is older than watching
  parked_.watched = services_.progress.open(row().watch);
  parked_.watched->set_total(length());
  show_offset();
  co_return Outcome<void>{};
}

bool UploadResource::has_expired() const {
  return row().expires_at_ms <= services_.loop.epoch_ms();
}

// What the sweeper does with it, which has not come by yet: an unfinished one has expired, one that has ended is
// forgotten.
Task<UploadResource::Outcome<void>> UploadResource::expire() {
  if (!is_open()) co_return std::unexpected(errors::kNoUpload);
  if (!parked_.watched) parked_.watched = services_.progress.open(row().watch);
  co_return co_await cancel(db::UploadState::expired, "expired");
}

// What watchers see between two appends.
void UploadResource::show_offset() {
  parked_.watched->bytes_stored().store(offset_bytes(), std::memory_order_relaxed);
  parked_.watched->set_durable(offset_bytes());
  parked_.watched->set_state(offset_bytes() > 0 ? ProgressState::paused : ProgressState::waiting);
}

Task<UploadResource::Outcome<std::optional<CreatedLink>>> UploadResource::complete(const std::stop_token& stop) {
  parked_.watched->set_state(ProgressState::finishing);
  const Result<> caught_up = co_await catch_up(stop);
  if (!caught_up && caught_up.error().code == io::Errc::cancelled) co_return std::unexpected(errors::kBusy);
  if (!caught_up) {
    parked_.blob.reset();
    co_return std::unexpected(log_failure(services_, "an upload cannot be committed", caught_up.error()));
  }
  StoredFile file;
  // Of copies: when what follows fails, the next try needs them.
  for (const proto::Digester& digester : parked_.digesters) {
    file.digests.push_back({digester.algorithm(), digester.copy().finish()});
  }
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
  file.extents.push_back({id, offset_bytes(), parked_.blob->checksums.finish()});
  file.meta.name = row().name;
  file.meta.content_type = row().content_type;

  const bool partial = row().concat == "partial";
  db::UploadEnds change;
  CreatedLink created;
  parked_.row.length = offset_bytes();
  parked_.row.state = db::UploadState::complete;
  parked_.row.expires_at_ms = services_.loop.epoch_ms() + (partial ? services_.config.upload_expires.count()
                                                                   : services_.config.finished_upload_ttl.count());
  UploadCheckpoint whole;
  whole.whole_spans = file.extents.front().checksums;
  parked_.row.progress = encode_checkpoint(whole);
  if (!partial) {
    created = make_link(services_, file, parse_stored_options(row().options), delete_token_of(id_));
    parked_.row.token = created.link.token;
    change.links.push_back(created.link);
  }
  change.ends.push_back({row(), partial ? db::FileFate::kept : db::FileFate::moved});
  const Result<> done = co_await services_.catalogue.end_uploads(services_.loop, change);
  if (!done) co_return std::unexpected(log_failure(services_, "an upload cannot be committed", done.error()));
  parked_.watched->complete(partial ? nullptr : &created.link);
  keep_watched();
  parked_.blob.reset();
  release(std::nullopt);
  if (partial) co_return std::optional<CreatedLink>{};
  co_return std::optional<CreatedLink>(std::move(created));
}

Task<std::optional<CreatedLink>> UploadResource::find_link() {
  co_return co_await find_link_of(services_, row().token, id_);
}

UploadStanding UploadResource::standing(std::optional<CreatedLink> link) const {
  return {.offset_bytes = offset_bytes(),
          .length = length(),
          .complete = !is_open(),
          .expires_at_ms = expires_at_ms(),
          .metadata = row().metadata,
          .concat = row().concat,
          .link = std::move(link)};
}

Task<UploadResource::Outcome<void>> UploadResource::cancel(db::UploadState state, std::string reason) {
  // The link first: what is cancelled is never asked to be cancelled again.
  const std::string token = row().token;
  if (!token.empty()) {
    const io::EpochMs now_ms = services_.loop.epoch_ms();
    const Result<bool> removed = co_await services_.catalogue.set_expiry(services_.loop, token, db::kEnded, now_ms);
    if (!removed) co_return std::unexpected(log_failure(services_, "a link cannot be removed", removed.error()));
  }
  parked_.row.state = state;
  parked_.row.reason = std::move(reason);
  parked_.row.expires_at_ms = services_.loop.epoch_ms() + services_.config.finished_upload_ttl.count();
  db::UploadEnds change;
  change.ends.push_back({row(), db::FileFate::garbage});
  const Result<> ended = co_await services_.catalogue.end_uploads(services_.loop, change);
  if (!ended && ended.error().code != io::Errc::refused) {
    co_return std::unexpected(log_failure(services_, "an upload cannot be cancelled", ended.error()));
  }
  if (parked_.watched) {
    if (state == db::UploadState::cancelled) parked_.watched->cancel();
    parked_.watched->fail(row().reason);
    keep_watched();
  }
  parked_.blob.reset();
  release(std::nullopt);
  co_return Outcome<void>{};
}

// It expires when nobody has come for so long.
void UploadResource::slide_expiry() {
  parked_.row.expires_at_ms = services_.loop.epoch_ms() + services_.config.upload_expires.count();
}

Task<Result<>> UploadResource::save() {
  slide_expiry();
  parked_.row.progress = encode_checkpoint(checkpoint_of(parked_));
  parked_.saved_at = services_.loop.now();
  const Result<> saved = co_await services_.catalogue.save_upload(services_.loop, row());
  if (saved) parked_.saved_bytes = parked_.offset_bytes;
  co_return saved;
}

// Behind the last whole block the file's size alone proves nothing after a crash.
bool UploadResource::is_noted() const {
  return parked_.offset_bytes % io::kDirectAlignment == 0 || parked_.offset_bytes == parked_.saved_bytes;
}

Task<> UploadResource::park() {
  if (released_) co_return;
  // After a failure the catalogue and the disk know better than we do: the next one asks them.
  if (!is_open()) {
    release(std::nullopt);
    co_return;
  }
  if (!parked_.blob) {
    give_up_state();
    co_return;
  }
  slide_expiry();
  const bool due = !is_noted() || length_is_new_ || services_.loop.now() - parked_.saved_at >= kSavePause ||
                   parked_.offset_bytes - std::min(parked_.saved_bytes, parked_.offset_bytes) >= kSaveBytes;
  if (due) {
    const Result<> saved = co_await save();
    if (!saved) {
      services_.loop.log().warn(fmt::format("an upload's state is not saved: {}", io::describe(saved.error())));
      give_up_state();
      co_return;
    }
  }
  show_offset();
  parked_.idle_since = services_.loop.now();
  release(std::move(parked_));
}

void UploadResource::keep_watched() {
  services_.progress.keep(parked_.watched, services_.loop.now() + services_.config.finished_upload_ttl);
}

void UploadResource::give_up_state() {
  if (parked_.watched) parked_.watched->set_state(ProgressState::paused);
  services_.uploads.lose_track_of_space();
  release(std::nullopt);
}

void UploadResource::release(std::optional<ParkedUpload> parked) {
  released_ = true;
  claim_.release(std::move(parked));
}

Task<std::optional<CreatedLink>> find_link_of(const Services& services, const std::string& token, std::string_view id) {
  if (token.empty()) co_return std::nullopt;
  Result<std::optional<db::Link>> link =
      co_await services.catalogue.find(services.loop, token, services.loop.epoch_ms());
  if (!link || !*link) co_return std::nullopt;
  CreatedLink created;
  created.link = std::move(**link);
  created.delete_token = delete_token_of(id);
  co_return std::move(created);
}

}  // namespace ringdrop::server
