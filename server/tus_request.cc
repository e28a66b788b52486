#include "server/tus_request.h"

#include <algorithm>
#include <string>
#include <utility>

#include "proto/file_types.h"
#include "proto/media_type.h"
#include "proto/tus.h"
#include "server/http_error.h"
#include "server/upload_access.h"
#include "server/upload_metadata.h"

namespace ringdrop::server {
namespace {

using proto::Rejection;

// Upload-Length, or Upload-Defer-Length: 1; one of them.
std::expected<std::optional<uint64_t>, Rejection> read_length(const proto::RequestHead& request, const Config& config) {
  const bool told = request.fields.count("Upload-Length") > 0;
  const bool deferred = request.fields.count("Upload-Defer-Length") > 0;
  if (told == deferred) return std::unexpected(errors::kNoUploadLength);
  if (deferred) {
    if (request.fields.joined("Upload-Defer-Length") != "1") return std::unexpected(errors::kNoUploadLength);
    return std::optional<uint64_t>{};
  }
  const std::optional<uint64_t> bytes = proto::parse_tus_number(request.fields.joined("Upload-Length"));
  if (!bytes) return std::unexpected(errors::kBadUploadLength);
  if (*bytes > config.max_upload_bytes) return std::unexpected(errors::kSizeLimit);
  return bytes;
}

// What both kinds of creation say of the file that comes out.
struct Described {
  FileMeta meta;
  std::string metadata;
  UploadOptions options;
  DigestPlan digests;
};
std::expected<Described, Rejection> read_description(const Services& services, const proto::RequestHead& request) {
  Described described;
  OptionCollector options;
  const std::optional<Rejection> refused = options.add_head(request);
  if (refused) return std::unexpected(*refused);
  described.metadata = request.fields.joined("Upload-Metadata");
  auto file = read_upload_metadata(described.metadata, options);
  if (!file) return std::unexpected(file.error());
  described.meta.content_type = proto::stored_media_type(file->content_type, file->name);
  described.meta.name = std::move(file->name);
  const auto parsed = options.parse(services.loop.epoch_ms());
  if (!parsed) return std::unexpected(parsed.error());
  described.options = *parsed;
  auto digests = plan_digests(request, services.config);
  if (!digests) return std::unexpected(digests.error());
  described.digests = std::move(*digests);
  return described;
}

// "The Client MUST NOT include the Upload-Length header in the final upload creation."
std::expected<TusCreation, Rejection> make_final(const proto::RequestHead& request, Described described,
                                                 proto::TusConcat concat) {
  if (request.fields.count("Upload-Length") > 0) return std::unexpected(errors::kFinalLength);
  if (has_tus_content(request)) return std::unexpected(errors::kFinalUpload);
  if (!described.digests.expected.empty()) return std::unexpected(errors::kFinalDigest);
  Concatenation final;
  final.parts = std::move(concat.parts);
  final.meta = std::move(described.meta);
  final.metadata = std::move(described.metadata);
  final.concat = request.fields.joined("Upload-Concat");
  final.options = std::move(described.options);
  return final;
}

}  // namespace

bool speaks_tus_1(const proto::RequestHead& request) {
  return request.fields.find("Tus-Resumable") == proto::kTusVersion;
}

bool has_tus_content(const proto::RequestHead& request) {
  return proto::is_type(request.fields.find("Content-Type").value_or(""), proto::kTusContentType);
}

std::expected<TusCreation, Rejection> read_tus_creation(const Services& services, const proto::RequestHead& request) {
  if (!may_upload(services.config, request)) return std::unexpected(errors::kUnauthorized);
  auto described = read_description(services, request);
  if (!described) return std::unexpected(described.error());
  UploadCreation creation;
  if (request.fields.count("Upload-Concat") > 0) {
    auto concat = proto::parse_tus_concat(request.fields.joined("Upload-Concat"));
    if (!concat) return std::unexpected(concat.error());
    if (concat->final) return make_final(request, std::move(*described), std::move(*concat));
    creation.concat = "partial";
    // What the whole will be nobody hashes; of a part only what it must come out as.
    if (described->digests.expected.empty()) described->digests = {};
  }
  const auto length = read_length(request, services.config);
  if (!length) return std::unexpected(length.error());
  creation.length = *length;
  creation.id = described->options.upload_id;
  if (creation.id.empty()) creation.id = make_upload_id(services.loop.ring());
  creation.watch_id = described->options.watch_id;
  creation.meta = std::move(described->meta);
  creation.metadata = std::move(described->metadata);
  creation.options = std::move(described->options);
  creation.digests = std::move(described->digests);
  return creation;
}

std::expected<AppendWishes, Rejection> read_tus_checksum(const proto::RequestHead& request) {
  AppendWishes wishes;
  wishes.mismatch = errors::kChecksumMismatch;
  const bool in_head = request.fields.count("Upload-Checksum") > 0;
  wishes.checksum_in_trailer = proto::list_contains(request.fields.joined("Trailer"), "Upload-Checksum");
  if (wishes.checksum_in_trailer && (in_head || request.framing != proto::BodyFraming::chunked)) {
    return std::unexpected(errors::kNoTrailer);
  }
  auto content = proto::parse_digest_field(request.fields.joined("Content-Digest"));
  if (!content) return std::unexpected(content.error());
  wishes.checksums = std::move(*content);
  if (!in_head) return wishes;
  auto parsed = proto::parse_tus_checksum(request.fields.joined("Upload-Checksum"));
  if (!parsed) return std::unexpected(parsed.error());
  wishes.checksums.push_back(std::move(*parsed));
  return wishes;
}

std::optional<Rejection> check_tus_patch(const Exchange& exchange, const Config& config, const UploadResource& upload,
                                         std::optional<uint64_t>& new_length) {
  const proto::Fields& fields = exchange.request.fields;
  if (upload.row().concat.starts_with("final")) return errors::kFinalUpload;
  const auto offset = proto::parse_tus_number(fields.joined("Upload-Offset"));
  if (!offset) return errors::kBadUploadOffset;
  if (*offset != upload.offset_bytes()) return errors::kOffsetMismatch;
  if (!upload.is_open()) return errors::kCompleted;
  if (fields.count("Upload-Length") > 0) {
    const auto length = proto::parse_tus_number(fields.joined("Upload-Length"));
    if (!length) return errors::kBadUploadLength;
    const bool contradicts = upload.length() && *upload.length() != *length;
    if (contradicts || *length < upload.offset_bytes()) return errors::kOtherUploadLength;
    if (*length > config.max_upload_bytes) return errors::kSizeLimit;
    new_length = length;
  }
  const uint64_t end = new_length ? *new_length : upload.length().value_or(config.max_upload_bytes);
  const uint64_t most = end - std::min(end, upload.offset_bytes());
  if (exchange.body.length().value_or(0) > most) {
    return new_length || upload.length() ? errors::kBeyondLength : errors::kSizeLimit;
  }
  return std::nullopt;
}

}  // namespace ringdrop::server
