#include "server/resumable_handler.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/media_type.h"
#include "proto/resumable.h"
#include "server/http_error.h"
#include "server/upload_answer.h"
#include "server/upload_steps.h"
#include "server/watched_request.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;
using proto::Rejection;
using proto::ResumableFields;

// The problem types of the draft.
constexpr std::string_view kMismatchingOffset =
    "https://iana.org/assignments/http-problem-types#mismatching-upload-offset";
constexpr std::string_view kCompletedUpload = "https://iana.org/assignments/http-problem-types#completed-upload";
constexpr std::string_view kInconsistentLength =
    "https://iana.org/assignments/http-problem-types#inconsistent-upload-length";

// Of an upload that is kept for so long from now on.
std::string limits_of(const Config& config, io::Milliseconds kept) {
  const int64_t seconds = std::max<int64_t>(kept.count(), 0) / 1000;
  return fmt::format("max-size={}, min-size=0, max-age={}", config.max_upload_bytes, seconds);
}

// Of one that is new, or was just used.
std::string limits_of(const Config& config) {
  return limits_of(config, config.upload_expires);
}

// Where an upload stands, and what is left of its time; not to be stored.
proto::Fields state_fields(const Services& services, uint64_t offset, bool complete, io::EpochMs expires_at_ms) {
  proto::Fields fields;
  fields.add("Upload-Offset", std::to_string(offset));
  fields.add("Upload-Complete", proto::format_sf_boolean(complete));
  fields.add("Upload-Limit", limits_of(services.config, io::Milliseconds(expires_at_ms - services.loop.epoch_ms())));
  fields.add("Cache-Control", "no-store");
  return fields;
}

Task<Result<>> refuse(const Services& services, const Exchange& exchange, const Rejection& why) {
  proto::Fields fields;
  if (why.status == 413) fields.add("Upload-Limit", limits_of(services.config));
  proto::Problem problem;
  if (why.code == errors::kInconsistentLength.code) problem.type = kInconsistentLength;
  co_return co_await send_problem(why, exchange, fields, std::move(problem));
}

// The length that the request fixes: what it declares, or with ?1 where its content ends. Two that contradict, and
// content that goes beyond: refused.
std::optional<Rejection> find_length(const ResumableFields& fields, const http::BodyReader& body, uint64_t offset,
                                     const Config& config, std::optional<uint64_t>& length) {
  std::optional<uint64_t> told = fields.length;
  if (fields.complete == true && body.length()) {
    const uint64_t end = offset + *body.length();
    if (told && *told != end) return errors::kInconsistentLength;
    told = end;
  }
  if (told && length && *told != *length) return errors::kInconsistentLength;
  if (told) length = told;
  if (length && *length < offset) return errors::kInconsistentLength;
  if (length.value_or(0) > config.max_upload_bytes) return errors::kSizeLimit;
  const uint64_t room = length.value_or(config.max_upload_bytes) - offset;
  if (body.length().value_or(0) <= room) return std::nullopt;
  return length ? errors::kInconsistentLength : errors::kSizeLimit;
}

// A 104: where the upload is, or how far it has come.
Task<> tell(const Exchange& exchange, proto::Fields fields) {
  proto::ResponseHead interim;
  interim.status = 104;
  interim.fields = std::move(fields);
  interim.fields.add("Upload-Draft-Interop-Version", std::to_string(proto::kInteropVersion));
  // A client that is gone already is noticed by the body.
  static_cast<void>(co_await exchange.response.send_interim(interim));
}

Task<> tell_offset(const Exchange& exchange, uint64_t offset) {
  proto::Fields fields;
  fields.add("Upload-Offset", std::to_string(offset));
  co_await tell(exchange, std::move(fields));
}

AppendWishes wishes_of(const Exchange& exchange, const ResumableFields& fields) {
  AppendWishes wishes;
  if (fields.wants_interim) wishes.on_durable = [&exchange](uint64_t at) { return tell_offset(exchange, at); };
  return wishes;
}

Task<Result<>> answer_link(const Exchange& exchange, CreatedLink link, uint64_t offset) {
  exchange.response.add_field("Upload-Offset", std::to_string(offset));  // tus-js-client needs it to see the end
  exchange.response.add_field("Upload-Complete", "?1");
  exchange.response.add_field("Upload-Link", link_url(exchange.base_url(), link.link));
  std::vector<CreatedLink> links;
  links.push_back(std::move(link));
  co_return co_await answer_created(exchange, links);
}

Task<Result<>> answer_mismatch(const Services& services, const Exchange& exchange, const UploadResource& upload,
                               uint64_t provided) {
  const uint64_t expected = upload.offset_bytes();
  const proto::Fields fields = state_fields(services, expected, !upload.is_open(), upload.expires_at_ms());
  proto::Problem problem;
  Rejection why = errors::kCompleted;
  problem.type = kCompletedUpload;
  if (expected != provided) {
    why = errors::kOffsetMismatch;
    problem.type = kMismatchingOffset;
    problem.numbers.emplace_back("expected-offset", expected);
    problem.numbers.emplace_back("provided-offset", provided);
  }
  co_return co_await send_problem(why, exchange, fields, std::move(problem));
}

Task<Result<>> answer_head(const Services& services, const Exchange& exchange, UploadResource& upload) {
  std::optional<CreatedLink> link = co_await upload.find_link();
  proto::ResponseHead head;
  head.status = 204;
  head.fields = resumable_standing_fields(services, exchange, upload.standing(std::move(link)));
  co_await upload.park();
  co_return co_await exchange.response.send(head, {});
}

// The answer of a complete upload, for a client that did not hear it: an empty append at its end.
Task<Result<>> replay(const Services& services, const Exchange& exchange, UploadResource& upload,
                      const ResumableFields& fields) {
  const uint64_t offset = upload.offset_bytes();
  std::optional<CreatedLink> link = co_await upload.find_link();
  co_await upload.park();
  const bool fits = fields.offset == offset && fields.complete == true && exchange.body.complete();
  if (fits && link) co_return co_await answer_link(exchange, std::move(*link), offset);
  co_return co_await answer_mismatch(services, exchange, upload, fields.offset.value_or(offset));
}

// The answer to a creation, whose Location is `made`, or to an append (then it is empty).
Task<Result<>> answer_appended(const Services& services, const Exchange& exchange, Appended done, std::string made) {
  if (done.end.kind == AppendEnd::Kind::refused) {
    exchange.response.close_after();
    if (done.failed_at_end) exchange.response.add_field("Upload-Complete", proto::format_sf_boolean(true));
    co_return co_await refuse(services, exchange, done.end.why);
  }
  const proto::Fields none;
  if (done.end.kind != AppendEnd::Kind::whole) co_return co_await answer_broken(services, exchange, done.end, none);
  if (done.link) co_return co_await answer_link(exchange, std::move(*done.link), done.offset_bytes);
  proto::ResponseHead head;
  head.status = made.empty() ? 204 : 201;
  head.fields = state_fields(services, done.offset_bytes, done.complete, done.expires_at_ms);
  if (!made.empty()) head.fields.add("Location", made);
  co_return co_await exchange.response.send(head, {});
}

Task<Result<>> answer_patch(const Services& services, const Exchange& exchange, UploadResource& upload) {
  const ResumableFields fields = proto::read_resumable_fields(exchange.request.fields);
  if (!upload.is_open()) co_return co_await replay(services, exchange, upload, fields);
  const uint64_t offset = upload.offset_bytes();
  std::optional<uint64_t> length = upload.length();
  AppendWishes wishes = wishes_of(exchange, fields);
  std::optional<Rejection> refused;
  if (!fields.offset || !fields.complete) refused = errors::kBadAppend;
  const bool mismatch = !refused && *fields.offset != offset;
  if (!refused && !mismatch) refused = find_length(fields, exchange.body, offset, services.config, length);
  auto digests = proto::parse_digest_field(exchange.request.fields.joined("Content-Digest"));
  if (!refused && !digests) refused = digests.error();
  // Also when it has only been announced: no byte of it is read.
  const uint64_t room = upload.length().value_or(UINT64_MAX) - offset;
  const bool addressed = fields.offset && fields.complete && !mismatch;
  if (addressed && exchange.body.length().value_or(0) > room) {
    const Rejection invalid = co_await invalidate(upload);
    refused = invalid;
  }
  if (mismatch || refused) {
    co_await upload.park();
    if (refused) co_return co_await refuse(services, exchange, *refused);
    co_return co_await answer_mismatch(services, exchange, upload, *fields.offset);
  }
  if (length) upload.set_length(*length);
  wishes.checksums = std::move(*digests);
  const UploadEnd end = *fields.complete ? UploadEnd::with_body : UploadEnd::later;
  Appended done = co_await append_and_park(exchange, upload, end, std::move(wishes));
  std::string none;
  co_return co_await answer_appended(services, exchange, std::move(done), std::move(none));
}

}  // namespace

proto::Fields resumable_standing_fields(const Services& services, const Exchange& exchange,
                                        const UploadStanding& upload) {
  proto::Fields fields = state_fields(services, upload.offset_bytes, upload.complete, upload.expires_at_ms);
  if (upload.length) fields.add("Upload-Length", std::to_string(*upload.length));
  if (upload.link) {
    fields.add("Upload-Link", link_url(exchange.base_url(), upload.link->link));
    add_link_fields(exchange.base_url(), *upload.link, fields);
  }
  return fields;
}

void add_resumable_discovery(const Config& config, proto::Fields& fields) {
  fields.add("Upload-Limit", limits_of(config));
  fields.add("Accept-Patch", kAcceptPatch);
}

bool is_resumable(const proto::RequestHead& request) {
  const ResumableFields fields = proto::read_resumable_fields(request.fields);
  return fields.complete && !fields.unknown_draft;
}

Task<Result<>> handle_resumable_creation(const Services& services, const Exchange& exchange, UploadCreation creation) {
  const ResumableFields fields = proto::read_resumable_fields(exchange.request.fields);
  const bool last = fields.complete.value_or(true);
  creation.length.reset();
  const std::optional<Rejection> refused = find_length(fields, exchange.body, 0, services.config, creation.length);
  if (refused) co_return co_await refuse(services, exchange, *refused);
  AppendWishes wishes = wishes_of(exchange, fields);
  if (last) {
    creation.digests.expect_content_as_whole();
  } else {
    wishes.checksums = std::move(creation.digests.content);
  }
  if (creation.id.empty()) creation.id = make_upload_id(services.loop.ring());
  auto created = co_await UploadResource::create(services, std::move(creation), exchange.cut);
  if (!created) co_return co_await refuse(services, exchange, created.error());
  UploadResource& upload = **created;
  std::string location = path_prefix(services.config) + "/uploads/" + upload.id();
  const std::string watch = watch_url(exchange, upload.watch_id());
  exchange.response.add_field("Upload-Watch", watch);
  if (fields.wants_interim) {
    proto::Fields made;
    made.add("Location", location);
    made.add("Upload-Limit", limits_of(services.config));
    made.add("Upload-Watch", watch);
    co_await tell(exchange, std::move(made));
  }
  const UploadEnd end = last ? UploadEnd::with_body : UploadEnd::later;
  Appended done = co_await append_and_park(exchange, upload, end, std::move(wishes));
  co_return co_await answer_appended(services, exchange, std::move(done), std::move(location));
}

Task<Result<>> handle_resumable_upload(const Services& services, const Exchange& exchange, proto::Method method,
                                       std::string_view id) {
  // The older interop version 5 names no type.
  const std::optional<std::string_view> type = exchange.request.fields.find("Content-Type");
  const bool fits = type ? proto::is_type(*type, proto::kPartialUpload) : is_resumable(exchange.request);
  if (method == proto::Method::patch && !fits) {
    proto::Fields accepted;
    accepted.add("Accept-Patch", kAcceptPatch);
    co_return co_await send_rejection(errors::kPatchType, exchange, accepted);
  }
  std::string upload_id(id);
  std::stop_source cut = stopped_by_next(exchange, method);
  auto opened = co_await UploadResource::open(services, std::move(upload_id), std::move(cut));
  if (!opened) co_return co_await refuse(services, exchange, opened.error());
  UploadResource& upload = **opened;
  if (!upload.is_open() && upload.row().state != db::UploadState::complete) {
    co_await upload.park();
    co_return co_await refuse(services, exchange, errors::kUploadGone);
  }
  if (method == proto::Method::head) co_return co_await answer_head(services, exchange, upload);
  if (method == proto::Method::patch) co_return co_await answer_patch(services, exchange, upload);
  co_return co_await cancel_and_answer(exchange, upload);
}

}  // namespace ringdrop::server
