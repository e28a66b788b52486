#include "server/tus_handler.h"

#include <algorithm>
#include <expected>
#include <optional>
#include <string>
#include <utility>

#include "proto/file_name.h"
#include "proto/file_types.h"
#include "proto/http_date.h"
#include "proto/tus.h"
#include "server/http_error.h"
#include "server/upload_access.h"
#include "server/upload_answer.h"
#include "server/upload_resource.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;
using proto::Rejection;

constexpr std::string_view kExtensions =
    "creation,creation-with-upload,creation-defer-length,expiration,termination,checksum";
constexpr std::string_view kChecksums = "sha1,sha256,md5";

// What every answer of the protocol carries.
proto::Fields tus_fields() {
  proto::Fields fields;
  fields.add("Tus-Resumable", proto::kTusVersion);
  return fields;
}

Task<Result<>> refuse(const Exchange& exchange, const Rejection& why) {
  proto::Fields fields = tus_fields();
  if (why.status == 401) fields.add("WWW-Authenticate", "Basic realm=\"ringdrop\", Bearer");
  if (why.status == 412) fields.add("Tus-Version", proto::kTusVersion);
  co_return co_await send_rejection(why, exchange, fields);
}

bool speaks_our_version(const proto::RequestHead& request) {
  return request.fields.find("Tus-Resumable") == proto::kTusVersion;
}

bool has_offset_content(const proto::RequestHead& request) {
  return request.fields.find("Content-Type") == proto::kTusContentType;
}

// Upload-Length, or Upload-Defer-Length: 1; one of them.
std::expected<std::optional<uint64_t>, Rejection> read_length(const proto::RequestHead& request, const Config& config) {
  const bool told = request.fields.count("Upload-Length") > 0;
  const bool deferred = request.fields.count("Upload-Defer-Length") > 0;
  if (told == deferred) return std::unexpected(errors::kBadUploadLength);
  if (deferred) {
    if (request.fields.joined("Upload-Defer-Length") != "1") return std::unexpected(errors::kBadUploadLength);
    return std::optional<uint64_t>{};
  }
  const std::optional<uint64_t> bytes = proto::parse_tus_number(request.fields.joined("Upload-Length"));
  if (!bytes) return std::unexpected(errors::kBadUploadLength);
  if (*bytes > config.max_upload_bytes) return std::unexpected(errors::kSizeLimit);
  return bytes;
}

// What the head of a creation says, and its Upload-Metadata.
std::expected<UploadCreation, Rejection> read_creation(const Services& services, const proto::RequestHead& request) {
  if (!may_upload(services.config, request)) return std::unexpected(errors::kUnauthorized);
  UploadCreation creation;
  const auto length = read_length(request, services.config);
  if (!length) return std::unexpected(length.error());
  creation.length = *length;
  if (request.fields.count("Upload-Concat") > 0) return std::unexpected(errors::kNoConcat);

  OptionCollector options;
  std::optional<Rejection> refused = options.add_head(request);
  if (refused) return std::unexpected(*refused);
  creation.metadata = request.fields.joined("Upload-Metadata");
  const auto metadata = proto::parse_tus_metadata(creation.metadata);
  if (!metadata) return std::unexpected(metadata.error());
  std::string type;
  for (const auto& [key, value] : *metadata) {
    if (key == "filename") {
      auto name = proto::accept_file_name(value);
      if (!name) return std::unexpected(name.error());
      creation.meta.name = std::move(*name);
    }
    if (key == "filetype") type = value;
    refused = options.add(key, value);
    if (refused) return std::unexpected(*refused);
  }
  creation.meta.content_type = proto::stored_media_type(type, creation.meta.name);
  const auto parsed = options.parse(services.loop.epoch_ms());
  if (!parsed) return std::unexpected(parsed.error());
  creation.options = *parsed;
  auto digests = plan_digests(request, services.config);
  if (!digests) return std::unexpected(digests.error());
  creation.digests = std::move(*digests);
  creation.id = make_upload_id(services);
  return creation;
}

// Upload-Offset and how long it is kept; of a complete one where it is now.
proto::Fields state_fields(const Exchange& exchange, uint64_t offset, io::EpochMs expires_at_ms,
                           const std::optional<CreatedLink>& link) {
  proto::Fields fields = tus_fields();
  fields.add("Upload-Offset", std::to_string(offset));
  fields.add("Upload-Expires", proto::format_http_date(expires_at_ms / 1000));
  if (link) {
    fields.add("Upload-Link", link_url(exchange.base_url, link->link));
    fields.add("X-Url-Delete", delete_url(exchange.base_url, *link));
  }
  return fields;
}

// The body behind a creation or of a PATCH, and what it makes of the upload. On success the resource is given back.
struct Appended {
  uint64_t offset = 0;
  io::EpochMs expires_at_ms = 0;
  std::optional<CreatedLink> link;
};
Task<std::expected<Appended, AppendEnd>> append(const Exchange& exchange, UploadResource& upload,
                                                const std::optional<proto::Digest>& checksum) {
  AppendEnd end;
  if (checksum) {
    end = co_await upload.append_checked(exchange.body, *checksum, exchange.stop);
  } else {
    end = co_await upload.append(exchange.body, exchange.stop);
  }
  Appended done;
  // All bytes are there: it is complete, however the request ended.
  const bool kept = end.kind == AppendEnd::Kind::whole || end.kind == AppendEnd::Kind::client_broke;
  if (kept && upload.length() == upload.offset_bytes()) {
    auto completed = co_await upload.complete();
    if (!completed) end = AppendEnd::refused(completed.error());
    if (completed) done.link = std::move(*completed);
  }
  co_await upload.park();
  if (end.kind != AppendEnd::Kind::whole) co_return std::unexpected(end);
  done.offset = upload.offset_bytes();
  done.expires_at_ms = upload.row().expires_at_ms;
  co_return done;
}

Task<Result<>> answer_broken(const Exchange& exchange, const AppendEnd& end) {
  if (end.kind == AppendEnd::Kind::client_broke) co_return co_await answer_broken_body(exchange, end.error);
  exchange.response.close_after();
  const Rejection why = end.kind == AppendEnd::Kind::refused ? end.why : rejection_for(end.error);
  co_return co_await refuse(exchange, why);
}

Task<Result<>> answer_head(const Exchange& exchange, UploadResource& upload) {
  std::optional<CreatedLink> link;
  if (upload.is_open() && upload.length() == upload.offset_bytes()) {
    // A crash came between its last byte and its end.
    auto completed = co_await upload.complete();
    if (!completed) {
      co_await upload.park();
      co_return co_await refuse(exchange, completed.error());
    }
    link = std::move(*completed);
  } else {
    link = co_await upload.find_link();
  }
  proto::ResponseHead head;
  head.fields = state_fields(exchange, upload.offset_bytes(), upload.row().expires_at_ms, link);
  if (upload.length()) {
    head.fields.add("Upload-Length", std::to_string(*upload.length()));
  } else {
    head.fields.add("Upload-Defer-Length", "1");
  }
  if (!upload.row().metadata.empty()) head.fields.add("Upload-Metadata", upload.row().metadata);
  head.fields.add("Cache-Control", "no-store");
  co_await upload.park();
  co_return co_await exchange.response.send(head, {});
}

// Upload-Checksum, if there is one.
std::expected<std::optional<proto::Digest>, Rejection> read_checksum(const proto::RequestHead& request) {
  if (request.fields.count("Upload-Checksum") == 0) return std::optional<proto::Digest>{};
  auto parsed = proto::parse_tus_checksum(request.fields.joined("Upload-Checksum"));
  if (!parsed) return std::unexpected(parsed.error());
  return std::optional<proto::Digest>(std::move(*parsed));
}

// What a PATCH may not be, before its body is asked for.
std::optional<Rejection> check_patch(const Exchange& exchange, const Config& config, const UploadResource& upload,
                                     std::optional<uint64_t>& new_length) {
  const proto::Fields& fields = exchange.request.fields;
  const auto offset = proto::parse_tus_number(fields.joined("Upload-Offset"));
  if (!offset) return errors::kBadUploadOffset;
  if (*offset != upload.offset_bytes() || !upload.is_open()) return errors::kOffsetMismatch;
  if (fields.count("Upload-Length") > 0) {
    const auto length = proto::parse_tus_number(fields.joined("Upload-Length"));
    const bool contradicts = length && upload.length() && *upload.length() != *length;
    if (!length || contradicts || *length < upload.offset_bytes()) return errors::kBadUploadLength;
    if (*length > config.max_upload_bytes) return errors::kSizeLimit;
    new_length = length;
  }
  const uint64_t end = new_length ? *new_length : upload.length().value_or(config.max_upload_bytes);
  const uint64_t most = end - std::min(end, upload.offset_bytes());
  if (exchange.body.length().value_or(0) > most) return errors::kSizeLimit;
  return std::nullopt;
}

Task<Result<>> answer_patch(const Services& services, const Exchange& exchange, UploadResource& upload) {
  std::optional<uint64_t> new_length;
  std::optional<Rejection> refused = check_patch(exchange, services.config, upload, new_length);
  const auto checksum = read_checksum(exchange.request);
  if (!refused && !checksum) refused = checksum.error();
  if (refused) {
    co_await upload.park();
    co_return co_await refuse(exchange, *refused);
  }
  if (new_length) upload.set_length(*new_length);
  const auto appended = co_await append(exchange, upload, *checksum);
  if (!appended) co_return co_await answer_broken(exchange, appended.error());
  proto::ResponseHead head;
  head.status = 204;
  head.fields = state_fields(exchange, appended->offset, appended->expires_at_ms, appended->link);
  co_return co_await exchange.response.send(head, {});
}

Task<Result<>> answer_delete(const Exchange& exchange, UploadResource& upload) {
  const auto cancelled = co_await upload.cancel(db::UploadState::cancelled, {});
  if (!cancelled) {
    co_await upload.park();
    co_return co_await refuse(exchange, cancelled.error());
  }
  proto::ResponseHead head;
  head.status = 204;
  head.fields = tus_fields();
  co_return co_await exchange.response.send(head, {});
}

}  // namespace

void add_tus_discovery(const Config& config, proto::Fields& fields) {
  fields.add("Tus-Version", proto::kTusVersion);
  fields.add("Tus-Extension", kExtensions);
  fields.add("Tus-Max-Size", std::to_string(config.max_upload_bytes));
  fields.add("Tus-Checksum-Algorithm", kChecksums);
}

Task<Result<>> handle_tus_creation(const Services& services, const Exchange& exchange) {
  if (!speaks_our_version(exchange.request)) co_return co_await refuse(exchange, errors::kTusVersion);
  std::expected<UploadCreation, Rejection> creation = read_creation(services, exchange.request);
  if (!creation) co_return co_await refuse(exchange, creation.error());
  const bool with_upload = has_offset_content(exchange.request);
  if (with_upload && exchange.body.length().value_or(0) > creation->length.value_or(services.config.max_upload_bytes)) {
    co_return co_await refuse(exchange, errors::kSizeLimit);
  }
  const auto checksum = read_checksum(exchange.request);
  if (!checksum) co_return co_await refuse(exchange, checksum.error());
  auto created = co_await UploadResource::create(services, std::move(*creation), exchange.cut);
  if (!created) co_return co_await refuse(exchange, created.error());
  UploadResource& upload = **created;
  const std::string location = path_prefix(services.config) + "/uploads/" + upload.id();

  Appended state;
  if (with_upload || upload.length() == 0) {
    const auto appended = co_await append(exchange, upload, *checksum);
    // Made it is in any case: what came of the body counts, and the client asks for the offset.
    if (!appended) co_return co_await answer_broken(exchange, appended.error());
    state = *appended;
  } else {
    state.expires_at_ms = upload.row().expires_at_ms;
    co_await upload.park();
  }
  proto::ResponseHead head;
  head.status = 201;
  head.fields = state_fields(exchange, state.offset, state.expires_at_ms, state.link);
  head.fields.add("Location", location);
  co_return co_await exchange.response.send(head, {});
}

Task<Result<>> handle_tus_upload(const Services& services, const Exchange& exchange, proto::Method method,
                                 std::string_view id) {
  if (!speaks_our_version(exchange.request)) co_return co_await refuse(exchange, errors::kTusVersion);
  if (method == proto::Method::patch && !has_offset_content(exchange.request)) {
    co_return co_await refuse(exchange, errors::kPatchType);
  }
  std::string upload_id(id);
  auto opened = co_await UploadResource::open(services, std::move(upload_id), exchange.cut);
  if (!opened) co_return co_await refuse(exchange, opened.error());
  UploadResource& upload = **opened;
  if (!upload.is_open() && upload.row().state != db::UploadState::complete) {
    co_await upload.park();
    co_return co_await refuse(exchange, errors::kUploadGone);
  }
  if (method == proto::Method::head) co_return co_await answer_head(exchange, upload);
  if (method == proto::Method::delete_) co_return co_await answer_delete(exchange, upload);
  co_return co_await answer_patch(services, exchange, upload);
}

}  // namespace ringdrop::server
