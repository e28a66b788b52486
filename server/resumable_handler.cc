#include "server/resumable_handler.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/resumable.h"
#include "server/http_error.h"
#include "server/upload_answer.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;
using proto::Rejection;
using proto::ResumableFields;

constexpr std::string_view kAcceptPatch = "application/partial-upload, application/offset+octet-stream";

std::string limits_of(const Config& config) {
  return fmt::format("max-size={}, min-size=0, max-age={}", config.max_upload_bytes,
                     config.upload_expires.count() / 1000);
}

// What tells where the upload stands.
proto::Fields state_fields(const Services& services, uint64_t offset, bool complete) {
  proto::Fields fields;
  fields.add("Upload-Offset", std::to_string(offset));
  fields.add("Upload-Complete", proto::format_sf_boolean(complete));
  fields.add("Upload-Limit", limits_of(services.config));
  fields.add("Cache-Control", "no-store");
  return fields;
}

// The length that the request fixes: what it declares, or with ?1 where its content ends. Two that contradict: refused.
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
  if (body.length().value_or(0) > length.value_or(config.max_upload_bytes) - offset) return errors::kInconsistentLength;
  return std::nullopt;
}

// Appends the body and, when it is the last, completes. The upload is given back.
struct Appended {
  AppendEnd end;
  uint64_t offset = 0;
  std::optional<CreatedLink> link;
};
Task<Appended> append(const Exchange& exchange, UploadResource& upload, bool last) {
  Appended done;
  done.end = co_await upload.append(exchange.body, exchange.stop);
  done.offset = upload.offset_bytes();
  const bool short_of_length = upload.length() && *upload.length() != upload.offset_bytes();
  if (done.end.kind == AppendEnd::Kind::whole && last && short_of_length) {
    done.end = AppendEnd::refused(errors::kInconsistentLength);
  }
  if (done.end.kind == AppendEnd::Kind::whole && last) {
    auto completed = co_await upload.complete();
    if (!completed) done.end = AppendEnd::refused(completed.error());
    if (completed) done.link = std::move(*completed);
  }
  co_await upload.park();
  co_return done;
}

Task<Result<>> answer_broken(const Exchange& exchange, const AppendEnd& end) {
  if (end.kind == AppendEnd::Kind::client_broke) co_return co_await answer_broken_body(exchange, end.error);
  exchange.response.close_after();
  const Rejection why = end.kind == AppendEnd::Kind::refused ? end.why : rejection_for(end.error);
  co_return co_await send_rejection(why, exchange);
}

Task<Result<>> answer_link(const Exchange& exchange, CreatedLink link) {
  exchange.response.add_field("Upload-Complete", "?1");
  exchange.response.add_field("Upload-Link", link_url(exchange.base_url, link.link));
  std::vector<CreatedLink> links;
  links.push_back(std::move(link));
  co_return co_await answer_created(exchange, links);
}

Task<Result<>> answer_mismatch(const Services& services, const Exchange& exchange, uint64_t offset, bool complete) {
  const proto::Fields fields = state_fields(services, offset, complete);
  co_return co_await send_rejection(errors::kOffsetMismatch, exchange, fields);
}

Task<Result<>> answer_head(const Services& services, const Exchange& exchange, UploadResource& upload) {
  const std::optional<CreatedLink> link = co_await upload.find_link();
  proto::ResponseHead head;
  head.status = 204;
  head.fields = state_fields(services, upload.offset_bytes(), !upload.is_open());
  if (upload.length()) head.fields.add("Upload-Length", std::to_string(*upload.length()));
  if (link) {
    head.fields.add("Upload-Link", link_url(exchange.base_url, link->link));
    head.fields.add("X-Url-Delete", delete_url(exchange.base_url, *link));
  }
  co_await upload.park();
  co_return co_await exchange.response.send(head, {});
}

Task<Result<>> answer_delete(const Exchange& exchange, UploadResource& upload) {
  const auto cancelled = co_await upload.cancel(db::UploadState::cancelled, {});
  if (!cancelled) {
    co_await upload.park();
    co_return co_await send_rejection(cancelled.error(), exchange);
  }
  proto::ResponseHead head;
  head.status = 204;
  co_return co_await exchange.response.send(head, {});
}

// The answer of a complete upload, for a client that did not hear it: an empty append at its end.
Task<Result<>> replay(const Services& services, const Exchange& exchange, UploadResource& upload,
                      const ResumableFields& fields) {
  const uint64_t offset = upload.offset_bytes();
  std::optional<CreatedLink> link = co_await upload.find_link();
  co_await upload.park();
  const bool fits = fields.offset == offset && fields.complete == true && exchange.body.complete();
  if (!fits || !link) co_return co_await answer_mismatch(services, exchange, offset, true);
  co_return co_await answer_link(exchange, std::move(*link));
}

Task<Result<>> answer_patch(const Services& services, const Exchange& exchange, UploadResource& upload) {
  const ResumableFields fields = proto::read_resumable_fields(exchange.request.fields);
  if (!upload.is_open()) co_return co_await replay(services, exchange, upload, fields);
  const uint64_t offset = upload.offset_bytes();
  std::optional<Rejection> refused;
  std::optional<uint64_t> length = upload.length();
  if (!fields.offset || !fields.complete) refused = errors::kBadAppend;
  const bool mismatch = !refused && *fields.offset != offset;
  if (!refused && !mismatch) refused = find_length(fields, exchange.body, offset, services.config, length);
  if (mismatch || refused) {
    co_await upload.park();
    if (mismatch) co_return co_await answer_mismatch(services, exchange, offset, false);
    co_return co_await send_rejection(*refused, exchange);
  }
  if (length) upload.set_length(*length);
  Appended done = co_await append(exchange, upload, *fields.complete);
  if (done.end.kind != AppendEnd::Kind::whole) co_return co_await answer_broken(exchange, done.end);
  if (done.link) co_return co_await answer_link(exchange, std::move(*done.link));
  proto::ResponseHead head;
  head.status = 204;
  head.fields = state_fields(services, done.offset, false);
  co_return co_await exchange.response.send(head, {});
}

}  // namespace

void add_resumable_discovery(const Config& config, proto::Fields& fields) {
  fields.add("Upload-Limit", limits_of(config));
  fields.add("Accept-Patch", kAcceptPatch);
}

bool is_resumable(const proto::RequestHead& request) {
  return proto::read_resumable_fields(request.fields).complete.has_value();
}

Task<Result<>> handle_resumable_creation(const Services& services, const Exchange& exchange, UploadCreation creation) {
  const ResumableFields fields = proto::read_resumable_fields(exchange.request.fields);
  const bool last = fields.complete.value_or(true);
  creation.length.reset();
  const std::optional<Rejection> refused = find_length(fields, exchange.body, 0, services.config, creation.length);
  if (refused) co_return co_await send_rejection(*refused, exchange);
  if (creation.id.empty()) creation.id = make_upload_id(services);
  auto created = co_await UploadResource::create(services, std::move(creation), exchange.cut);
  if (!created) co_return co_await send_rejection(created.error(), exchange);
  UploadResource& upload = **created;
  const std::string location = path_prefix(services.config) + "/uploads/" + upload.id();
  if (fields.wants_interim) {
    proto::ResponseHead made;
    made.status = 104;
    made.fields.add("Upload-Draft-Interop-Version", proto::kInteropVersion);
    made.fields.add("Location", location);
    made.fields.add("Upload-Limit", limits_of(services.config));
    // A client that is gone already is noticed by the body.
    static_cast<void>(co_await exchange.response.send_interim(made));
  }
  Appended done = co_await append(exchange, upload, last);
  if (done.end.kind != AppendEnd::Kind::whole) co_return co_await answer_broken(exchange, done.end);
  if (done.link) co_return co_await answer_link(exchange, std::move(*done.link));
  proto::ResponseHead head;
  head.status = 201;
  head.fields = state_fields(services, done.offset, false);
  head.fields.add("Location", location);
  co_return co_await exchange.response.send(head, {});
}

Task<Result<>> handle_resumable_upload(const Services& services, const Exchange& exchange, proto::Method method,
                                       std::string_view id) {
  // The older interop version 5 names no type.
  const std::optional<std::string_view> type = exchange.request.fields.find("Content-Type");
  const bool fits = type ? type == proto::kPartialUpload : is_resumable(exchange.request);
  if (method == proto::Method::patch && !fits) {
    proto::Fields accepted;
    accepted.add("Accept-Patch", kAcceptPatch);
    co_return co_await send_rejection(errors::kPatchType, exchange, accepted);
  }
  std::string upload_id(id);
  auto opened = co_await UploadResource::open(services, std::move(upload_id), exchange.cut);
  if (!opened) co_return co_await send_rejection(opened.error(), exchange);
  UploadResource& upload = **opened;
  if (!upload.is_open() && upload.row().state != db::UploadState::complete) {
    co_await upload.park();
    co_return co_await send_rejection(errors::kUploadGone, exchange);
  }
  if (method == proto::Method::head) co_return co_await answer_head(services, exchange, upload);
  if (method == proto::Method::delete_) co_return co_await answer_delete(exchange, upload);
  co_return co_await answer_patch(services, exchange, upload);
}

}  // namespace ringdrop::server
