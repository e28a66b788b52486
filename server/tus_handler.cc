#include "server/tus_handler.h"

#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "proto/http_date.h"
#include "proto/tus.h"
#include "server/http_error.h"
#include "server/tus_request.h"
#include "server/upload_answer.h"
#include "server/upload_concat.h"
#include "server/upload_resource.h"
#include "server/upload_steps.h"
#include "server/watched_request.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;
using proto::Rejection;

constexpr std::string_view kExtensions =
    "creation,creation-with-upload,creation-defer-length,expiration,termination,checksum,checksum-trailer,"
    "concatenation";
constexpr std::string_view kChecksums = "sha1,sha256,md5";

Task<Result<>> refuse(const Exchange& exchange, const Rejection& why) {
  proto::Fields fields;
  if (why.status == 401) fields.add("WWW-Authenticate", "Basic realm=\"ringdrop\", Bearer");
  if (why.status == 415) fields.add("Accept-Patch", kAcceptPatch);
  if (why.status == 412) fields.add("Tus-Version", proto::kTusVersion);
  co_return co_await send_rejection(why, exchange, fields);
}

// Upload-Offset and how long it is kept; of a complete one where it is now.
proto::Fields state_fields(const Exchange& exchange, uint64_t offset, io::EpochMs expires_at_ms,
                           const std::optional<CreatedLink>& link) {
  proto::Fields fields;
  fields.add("Upload-Offset", std::to_string(offset));
  fields.add("Upload-Expires", proto::format_http_date(expires_at_ms / 1000));
  if (link) {
    fields.add("Upload-Link", link_url(exchange.base_url(), link->link));
    add_link_fields(exchange.base_url(), *link, fields);
  }
  return fields;
}

// The answer to what may have completed the upload.
proto::Fields appended_fields(const Exchange& exchange, const Appended& done) {
  proto::Fields fields = state_fields(exchange, done.offset_bytes, done.expires_at_ms, done.link);
  if (done.link) add_digest_field(done.link->link, fields);
  return fields;
}

std::string location_of(const Services& services, const std::string& id) {
  return path_prefix(services.config) + "/uploads/" + id;
}

Task<Result<>> answer_head(const Exchange& exchange, UploadResource& upload) {
  std::optional<CreatedLink> link;
  if (upload.lacks_only_its_end()) {
    auto completed = co_await upload.complete(exchange.stop);
    if (!completed) {
      co_await upload.park();
      co_return co_await refuse(exchange, completed.error());
    }
    link = std::move(*completed);
  } else {
    link = co_await upload.find_link();
  }
  proto::ResponseHead head;
  head.fields = tus_standing_fields(exchange, upload.standing(std::move(link)));
  co_await upload.park();
  // A GET would have content: "MUST NOT send Content-Length [...] unless its field value equals" its (RFC 9110 8.6).
  std::optional<uint64_t> length;
  if (!exchange.response.is_head()) length = 0;  // X-HTTP-Method-Override
  exchange.response.start(head, length);
  co_return co_await exchange.response.finish();
}

Task<Result<>> answer_patch(const Services& services, const Exchange& exchange, UploadResource& upload) {
  std::optional<uint64_t> new_length;
  std::optional<Rejection> refused = check_tus_patch(exchange, services.config, upload, new_length);
  auto wishes = read_tus_checksum(exchange.request);
  if (!refused && !wishes) refused = wishes.error();
  if (refused) {
    co_await upload.park();
    co_return co_await refuse(exchange, *refused);
  }
  if (new_length) upload.set_length(*new_length);
  const Appended done = co_await append_and_park(exchange, upload, UploadEnd::when_full, std::move(*wishes));
  if (done.end.kind != AppendEnd::Kind::whole) {
    const proto::Fields none;
    co_return co_await answer_broken(services, exchange, done.end, none);
  }
  proto::ResponseHead head;
  head.status = 204;
  head.fields = appended_fields(exchange, done);
  co_return co_await exchange.response.send(head, {});
}

Task<Result<>> create_upload(const Services& services, const Exchange& exchange, UploadCreation creation) {
  const uint64_t most = creation.length.value_or(services.config.max_upload_bytes);
  const bool with_upload = has_tus_content(exchange.request);
  if (with_upload && exchange.body.length().value_or(0) > most) {
    co_return co_await refuse(exchange, creation.length ? errors::kBeyondLength : errors::kSizeLimit);
  }
  auto wishes = read_tus_checksum(exchange.request);
  if (!wishes) co_return co_await refuse(exchange, wishes.error());
  auto created = co_await UploadResource::create(services, std::move(creation), exchange.cut);
  if (!created) co_return co_await refuse(exchange, created.error());
  UploadResource& upload = **created;

  Appended done;
  if (with_upload || upload.length() == 0) {
    done = co_await append_and_park(exchange, upload, UploadEnd::when_full, std::move(*wishes));
  } else {
    co_await upload.park();
    done.expires_at_ms = upload.row().expires_at_ms;
  }
  // Made it is in any case: what came of the body counts, and the client asks for the offset.
  if (done.end.kind != AppendEnd::Kind::whole) {
    const proto::Fields none;
    co_return co_await answer_broken(services, exchange, done.end, none);
  }
  proto::ResponseHead head;
  head.status = 201;
  head.fields = appended_fields(exchange, done);
  head.fields.add("Location", location_of(services, upload.id()));
  head.fields.add("Upload-Watch", watch_url(exchange, upload.watch_id()));
  co_return co_await exchange.response.send(head, {});
}

Task<Result<>> create_final(const Services& services, const Exchange& exchange, Concatenation wanted) {
  const auto made = co_await concatenate(services, std::move(wanted), exchange.cut);
  if (!made) co_return co_await refuse(exchange, made.error());
  proto::ResponseHead head;
  head.status = 201;
  head.fields = state_fields(exchange, made->length_bytes, made->expires_at_ms, made->link);
  head.fields.add("Location", location_of(services, made->id));
  head.fields.add("Upload-Watch", watch_url(exchange, made->watch_id));
  co_return co_await exchange.response.send(head, {});
}

}  // namespace

proto::Fields tus_standing_fields(const Exchange& exchange, const UploadStanding& upload) {
  proto::Fields fields = state_fields(exchange, upload.offset_bytes, upload.expires_at_ms, upload.link);
  if (upload.length) {
    fields.add("Upload-Length", std::to_string(*upload.length));
  } else {
    fields.add("Upload-Defer-Length", "1");
  }
  if (!upload.metadata.empty()) fields.add("Upload-Metadata", upload.metadata);
  if (!upload.concat.empty()) fields.add("Upload-Concat", upload.concat);
  fields.add("Cache-Control", "no-store");
  return fields;
}

void add_tus_discovery(const Config& config, proto::Fields& fields) {
  fields.add("Tus-Version", proto::kTusVersion);
  fields.add("Tus-Extension", kExtensions);
  fields.add("Tus-Max-Size", std::to_string(config.max_upload_bytes));
  fields.add("Tus-Checksum-Algorithm", kChecksums);
}

Task<Result<>> handle_tus_creation(const Services& services, const Exchange& exchange) {
  if (!speaks_tus_1(exchange.request)) co_return co_await refuse(exchange, errors::kTusVersion);
  std::expected<TusCreation, Rejection> creation = read_tus_creation(services, exchange.request);
  if (!creation) co_return co_await refuse(exchange, creation.error());
  if (auto* const final = std::get_if<Concatenation>(&*creation)) {
    co_return co_await create_final(services, exchange, std::move(*final));
  }
  co_return co_await create_upload(services, exchange, std::get<UploadCreation>(std::move(*creation)));
}

Task<Result<>> handle_tus_upload(const Services& services, const Exchange& exchange, proto::Method method,
                                 std::string_view id) {
  if (!speaks_tus_1(exchange.request)) co_return co_await refuse(exchange, errors::kTusVersion);
  if (method == proto::Method::patch && !has_tus_content(exchange.request)) {
    co_return co_await refuse(exchange, errors::kPatchType);
  }
  std::string upload_id(id);
  std::stop_source cut = stopped_by_next(exchange, method);
  auto opened = co_await UploadResource::open(services, std::move(upload_id), std::move(cut));
  if (!opened) co_return co_await refuse(exchange, opened.error());
  UploadResource& upload = **opened;
  if (!upload.is_open() && upload.row().state != db::UploadState::complete) {
    co_await upload.park();
    co_return co_await refuse(exchange, errors::kUploadGone);
  }
  if (method == proto::Method::head) co_return co_await answer_head(exchange, upload);
  if (method == proto::Method::patch) co_return co_await answer_patch(services, exchange, upload);
  co_return co_await cancel_and_answer(exchange, upload);
}

}  // namespace ringdrop::server
