#include "server/upload_handler.h"

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "proto/content_disposition.h"
#include "proto/file_name.h"
#include "proto/file_types.h"
#include "proto/media_type.h"
#include "proto/resumable.h"
#include "proto/uri.h"
#include "server/http_error.h"
#include "server/incoming_file.h"
#include "server/multipart_upload.h"
#include "server/resumable_handler.h"
#include "server/upload_access.h"
#include "server/upload_answer.h"
#include "server/upload_append.h"
#include "server/upload_commit.h"
#include "server/upload_metadata.h"
#include "server/upload_options.h"
#include "server/upload_resource.h"
#include "server/upload_steps.h"
#include "server/watched_request.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;
using proto::Rejection;

// A form may be larger than its files by its delimiters and heads.
constexpr uint64_t kPartOverhead = 16 * kKiB;

// What the head asks for beyond its body.
struct Wishes {
  OptionCollector options;
  UploadOptions parsed;  // the options, as far as the head says
  DigestPlan digests;
  FileDescription described;  // Upload-Metadata, of the older drafts of resumable uploads
};

// What is wrong with the request, as far as its head tells.
std::expected<Wishes, Rejection> read_head(const Services& services, const Exchange& exchange) {
  const proto::RequestHead& request = exchange.request;
  if (!may_upload(services.config, request)) return std::unexpected(errors::kUnauthorized);
  if (request.fields.count("Content-Type") > 1) return std::unexpected(errors::kTwoContentTypes);
  if (request.fields.count("Content-Range") > 0) return std::unexpected(errors::kContentRange);  // RFC 9110 14.5
  Wishes wishes;
  const std::optional<Rejection> refused = wishes.options.add_head(request);
  if (refused) return std::unexpected(*refused);
  if (proto::read_resumable_fields(request.fields).older_draft) {
    auto file = read_upload_metadata(request.fields.joined("Upload-Metadata"), wishes.options);
    if (!file) return std::unexpected(file.error());
    wishes.described = std::move(*file);
  }
  // A bad value is refused here, before the body; with a form it is looked at again behind it.
  const auto options = wishes.options.parse(services.loop.epoch_ms());
  if (!options) return std::unexpected(options.error());
  wishes.parsed = *options;
  auto digests = plan_digests(request, services.config);
  if (!digests) return std::unexpected(digests.error());
  wishes.digests = std::move(*digests);
  if (!is_resumable(request)) wishes.digests.expect_content_as_whole();
  return wishes;
}

Task<Result<>> refuse(const Exchange& exchange, const Rejection& why) {
  const proto::Fields fields = why.status == 401 ? challenge("Basic realm=\"ringdrop\", Bearer") : proto::Fields{};
  co_return co_await send_rejection(why, exchange, fields);
}

// The name of the path, else of the query, else of Upload-Metadata, else of Content-Disposition.
std::expected<std::string, Rejection> name_of(const proto::RequestHead& request, std::string_view encoded_name,
                                              const Wishes& wishes) {
  std::optional<std::string> bytes = proto::percent_decode(encoded_name);
  if (!bytes) return std::unexpected(errors::kBadName);
  auto name = proto::accept_file_name(std::move(*bytes));
  if (!name || !name->empty()) return name;
  if (!wishes.options.name().empty()) return proto::accept_file_name(wishes.options.name());
  if (!wishes.described.name.empty()) return wishes.described.name;
  const std::optional<std::string_view> disposition = request.fields.find("Content-Disposition");
  if (!disposition) return name;
  std::optional<std::string> given = proto::disposition_file_name(*disposition);
  if (!given) return std::unexpected(errors::kBadDisposition);
  return proto::accept_file_name(std::move(*given));
}

// In a version of resumable uploads that is not known here it is an ordinary upload, and a piece would become a link as
// if it were the file.
bool is_stray_piece(const proto::RequestHead& request) {
  const proto::ResumableFields fields = proto::read_resumable_fields(request.fields);
  return fields.unknown_draft && (fields.complete == false || fields.incomplete == true);
}

// What the client calls it; that it is a part of an upload is not the file's type.
std::string_view type_of(const proto::RequestHead& request, const Wishes& wishes) {
  if (!wishes.described.content_type.empty()) return wishes.described.content_type;
  const std::string_view type = request.fields.find("Content-Type").value_or("");
  return proto::is_type(type, proto::kPartialUpload) ? std::string_view() : type;
}

// Links for what is on disk.
Task<Result<>> publish_and_answer(const Services& services, const Exchange& exchange, WatchedRequest& watched,
                                  std::vector<StoredFile> files, const UploadOptions& options) {
  const Result<std::vector<CreatedLink>> created = co_await publish(services, std::move(files), options);
  if (!created) {
    const Rejection why = rejection_for(created.error());
    watched.fail(why);
    co_return co_await send_rejection(why, exchange);
  }
  watched.complete(*created);
  if (!options.watch_id.empty()) exchange.response.add_field("Upload-Watch", watch_url(exchange, options.watch_id));
  co_return co_await answer_created(exchange, *created);
}

Task<Result<>> handle_form(const Services& services, const Exchange& exchange, Wishes wishes) {
  const std::string_view type = exchange.request.fields.find("Content-Type").value_or("");
  std::optional<std::string> boundary = proto::form_boundary(type);
  if (!boundary) co_return co_await send_rejection(errors::kBadBoundary, exchange);
  WatchedRequest watched(services);
  const std::optional<Rejection> in_use = co_await watched.announce(wishes.parsed.watch_id, std::nullopt);
  if (in_use) co_return co_await refuse(exchange, *in_use);
  MultipartUpload form(services, std::move(*boundary), wishes.digests, wishes.options, watched);
  AppendEnd end = co_await append_body(services, exchange.body, form, exchange.stop);
  watched.finishing();
  if (end.kind == AppendEnd::Kind::whole) end = form.finish();
  const auto options = wishes.options.parse(services.loop.epoch_ms());
  if (end.kind == AppendEnd::Kind::whole && !options) end = AppendEnd::refused(options.error());
  if (end.kind != AppendEnd::Kind::whole) {
    watched.fail(end);
    co_await form.discard();
    const proto::Fields none;
    co_return co_await answer_broken(services, exchange, end, none);
  }
  co_return co_await publish_and_answer(services, exchange, watched, form.take_files(), *options);
}

// The same under an id of the client's: what came of it is kept when it breaks off, and can be gone on with.
Task<Result<>> handle_named_upload(const Services& services, const Exchange& exchange, UploadCreation creation) {
  auto created = co_await UploadResource::create(services, std::move(creation), exchange.cut);
  if (!created) co_return co_await refuse(exchange, created.error());
  AppendWishes no_wishes;
  Appended done = co_await append_and_park(exchange, **created, UploadEnd::with_body, std::move(no_wishes));
  const proto::Fields none;
  if (!done.link) co_return co_await answer_broken(services, exchange, done.end, none);
  exchange.response.add_field("Upload-Watch", watch_url(exchange, (*created)->watch_id()));
  std::vector<CreatedLink> links;
  links.push_back(std::move(*done.link));
  co_return co_await answer_created(exchange, links);
}

// An upload without an id: it ends with its request.
Task<Result<>> handle_plain_upload(const Services& services, const Exchange& exchange, Wishes wishes, FileMeta meta) {
  const std::optional<uint64_t> length = exchange.body.length();
  WatchedRequest watched(services);
  const std::optional<Rejection> in_use = co_await watched.announce(wishes.parsed.watch_id, length);
  if (in_use) co_return co_await refuse(exchange, *in_use);
  Result<std::unique_ptr<IncomingFile>> file =
      co_await IncomingFile::create(services, length, std::move(wishes.digests));
  if (!file) {
    const Rejection why = rejection_for(file.error());
    watched.fail(why);
    co_return co_await send_rejection(why, exchange);
  }
  (*file)->report_to(watched.counter(), 0);
  FileSink sink(**file, services.config.max_upload_bytes);
  const AppendEnd end = co_await append_body(services, exchange.body, sink, exchange.stop);
  watched.fail(end);
  if (end.kind != AppendEnd::Kind::whole) {
    co_await (*file)->discard();
    const proto::Fields none;
    co_return co_await answer_broken(services, exchange, end, none);
  }
  watched.finishing();
  auto stored = co_await (*file)->finish(std::move(meta));
  if (!stored) {
    watched.fail(stored.error());
    co_return co_await send_rejection(stored.error(), exchange);
  }
  // Once more: the time that was asked for may have passed meanwhile.
  const auto options = wishes.options.parse(services.loop.epoch_ms());
  std::vector<StoredFile> files;
  files.push_back(std::move(*stored));
  if (!options) {
    co_await discard_all(files);
    co_return co_await send_rejection(options.error(), exchange);
  }
  co_return co_await publish_and_answer(services, exchange, watched, std::move(files), *options);
}

}  // namespace

Task<Result<>> handle_upload(const Services& services, const Exchange& exchange, std::string_view encoded_name) {
  const std::optional<uint64_t> length = exchange.body.length();
  std::expected<Wishes, Rejection> wishes = read_head(services, exchange);
  if (!wishes) co_return co_await refuse(exchange, wishes.error());
  if (is_stray_piece(exchange.request)) co_return co_await refuse(exchange, errors::kUnknownDraft);
  // A resumable one is refused in the words of its protocol.
  const bool too_long = length.value_or(0) > services.config.max_upload_bytes;
  if (too_long && !is_resumable(exchange.request)) co_return co_await refuse(exchange, errors::kSizeLimit);
  std::expected<std::string, Rejection> name = name_of(exchange.request, encoded_name, *wishes);
  if (!name) co_return co_await refuse(exchange, name.error());

  FileMeta meta;
  meta.content_type = proto::stored_media_type(type_of(exchange.request, *wishes), *name);
  meta.name = std::move(*name);
  if (!wishes->parsed.upload_id.empty() || is_resumable(exchange.request)) {
    UploadCreation creation;
    creation.id = wishes->parsed.upload_id;
    creation.watch_id = wishes->parsed.watch_id;
    creation.length = length;
    creation.meta = std::move(meta);
    creation.digests = std::move(wishes->digests);
    creation.options = std::move(wishes->parsed);
    if (is_resumable(exchange.request)) {
      co_return co_await handle_resumable_creation(services, exchange, std::move(creation));
    }
    co_return co_await handle_named_upload(services, exchange, std::move(creation));
  }

  co_return co_await handle_plain_upload(services, exchange, std::move(*wishes), std::move(meta));
}

Task<Result<>> handle_post(const Services& services, const Exchange& exchange) {
  const std::string_view type = exchange.request.fields.find("Content-Type").value_or("");
  if (!proto::is_form_data(type)) co_return co_await handle_upload(services, exchange, {});
  std::expected<Wishes, Rejection> wishes = read_head(services, exchange);
  if (!wishes) co_return co_await refuse(exchange, wishes.error());
  if (!wishes->parsed.upload_id.empty()) co_return co_await refuse(exchange, errors::kFormUploadId);
  const uint64_t length = exchange.body.length().value_or(0);
  // How many files share it nobody knows yet.
  if (length / kMostParts > services.config.max_upload_bytes + kPartOverhead)
    co_return co_await refuse(exchange, errors::kSizeLimit);
  const Result<> room = co_await services.blobs.check_room(length);
  if (!room) co_return co_await refuse(exchange, rejection_for(room.error()));
  co_return co_await handle_form(services, exchange, std::move(*wishes));
}

}  // namespace ringdrop::server
