#include "server/upload_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "proto/api_json.h"
#include "proto/digest.h"
#include "server/http_error.h"
#include "server/resumable_handler.h"
#include "server/tus_handler.h"
#include "server/upload_answer.h"
#include "server/upload_checkpoint.h"
#include "server/upload_resource.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;

}  // namespace

Progress progress_of(const db::Upload& row) {
  Progress progress;
  progress.bytes_stored = row.length.value_or(0);
  progress.bytes_total = row.length;
  switch (row.state) {
    case db::UploadState::open:
      progress.state = ProgressState::waiting;
      break;
    case db::UploadState::complete:
    case db::UploadState::used:
      progress.state = ProgressState::complete;
      progress.token = row.token;
      progress.name = row.name;
      break;
    case db::UploadState::cancelled:
      progress.state = ProgressState::cancelled;
      break;
    case db::UploadState::failed:
    case db::UploadState::expired:
      progress.state = ProgressState::failed;
      progress.reason = row.state == db::UploadState::expired ? "expired" : row.reason;
      break;
  }
  if (row.state != db::UploadState::complete && row.state != db::UploadState::used) progress.bytes_stored = 0;
  return progress;
}

Task<std::expected<db::Upload, proto::Rejection>> find_upload(const Services& services, std::string_view id) {
  const std::string id_hash = proto::sha256(id);
  // Before the row is read: one that is completed meanwhile would look like one that nobody has any more.
  const std::optional<io::EpochMs> newest = services.uploads.expires_at_ms(id_hash);
  Result<std::optional<db::Upload>> row = co_await services.catalogue.find_upload(services.loop, id_hash);
  if (!row) co_return std::unexpected(rejection_for(row.error()));
  if (!*row) co_return std::unexpected(errors::kNoUpload);
  db::Upload upload = std::move(**row);
  const io::EpochMs now_ms = services.loop.epoch_ms();
  if (upload.expires_at_ms > now_ms) co_return std::move(upload);
  if (upload.state != db::UploadState::open) co_return std::unexpected(errors::kNoUpload);
  // A request may have come while the row was read.
  const io::EpochMs expires_at_ms = std::max(newest.value_or(0), services.uploads.expires_at_ms(id_hash).value_or(0));
  if (expires_at_ms <= now_ms) {
    upload.state = db::UploadState::expired;
  } else {
    upload.expires_at_ms = std::min(expires_at_ms, now_ms + services.config.upload_expires.count());
  }
  co_return std::move(upload);
}

Task<Result<ProgressHub::Ptr>> record_of(const Services& services, const db::Upload& row) {
  ProgressHub::Ptr record = services.progress.find(row.watch);
  if (record || row.state != db::UploadState::open) co_return std::move(record);
  const storage::BlobId file{row.file.value_or(0)};
  const Result<io::FileStatus> status = co_await services.blobs.durable_status(file);
  if (!status) co_return std::unexpected(status.error());
  std::optional<UploadCheckpoint> checkpoint = decode_checkpoint(row.progress);
  if (!checkpoint) checkpoint.emplace();
  record = services.progress.open(row.watch);
  record->begin_paused(believable_bytes(*checkpoint, status->size_bytes), row.length);
  co_return std::move(record);
}

Task<Result<>> handle_upload_view(const Services& services, const Exchange& exchange, std::string_view id) {
  std::expected<db::Upload, proto::Rejection> row = co_await find_upload(services, id);
  if (!row) co_return co_await send_rejection(row.error(), exchange);
  const Result<ProgressHub::Ptr> record = co_await record_of(services, *row);
  if (!record) {
    services.loop.log().error(fmt::format("an unfinished upload cannot be read: {}", io::describe(record.error())));
    co_return co_await send_rejection(rejection_for(record.error()), exchange);
  }
  // Of one that has ended the row has the last word: its link may have been deleted since.
  const bool open = row->state == db::UploadState::open;
  Progress progress = progress_of(*row);
  if (*record && open) progress = (*record)->sample();
  const bool complete = progress.state == ProgressState::complete;

  proto::UploadView view;
  view.id = id;
  view.watch = row->watch;
  view.state = name_of(progress.state);
  view.bytes_stored = progress.bytes_stored;
  view.bytes_total = progress.bytes_total;
  view.started_at_ms = row->created_at_ms;
  if (!progress.token.empty()) view.url = link_url(exchange.base_url(), progress.token, progress.name);

  UploadStanding standing;
  standing.offset_bytes = *record && open && !complete ? (*record)->durable() : progress.bytes_stored;
  standing.length = progress.bytes_total;
  standing.complete = complete;
  standing.expires_at_ms = row->expires_at_ms;
  standing.metadata = std::move(row->metadata);
  standing.concat = std::move(row->concat);
  if (complete) standing.link = co_await find_link_of(services, progress.token, id);
  if (standing.link) view.digests = digests_of(standing.link->link);

  // The fields are those of a HEAD in the same protocol (RFC 9110 9.3.2), which is a 410 for one that has ended and for
  // a part that was used: no offset is told of it.
  proto::ResponseHead head;
  const bool gone = (has_ended(progress.state) && !complete) || row->state == db::UploadState::used;
  if (gone) {
    head.fields.add("Cache-Control", "no-store");
  } else if (exchange.request.fields.count("Tus-Resumable") > 0) {
    head.fields = tus_standing_fields(exchange, standing);
  } else {
    head.fields = resumable_standing_fields(services, exchange, standing);
  }
  head.fields.add("Content-Type", "application/json");
  head.fields.add("X-Content-Type-Options", "nosniff");
  const std::string body = proto::format_upload(view);
  co_return co_await exchange.response.send(head, body);
}

}  // namespace ringdrop::server
