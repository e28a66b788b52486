#include "client/upload_protocol.h"

#include <algorithm>
#include <charconv>

#include "client/display_text.h"
#include "proto/api_json.h"
#include "proto/base64.h"
#include "proto/content_disposition.h"
#include "proto/file_types.h"
#include "proto/http_response.h"
#include "proto/media_type.h"
#include "proto/resumable.h"
#include "proto/tus.h"

namespace ringdrop::client {
namespace {

constexpr std::size_t kMostWords = 500;
// A server that asks for more is asked again all the same.
constexpr io::Milliseconds kLongestRetryAfter{10 * 60 * 1000};

void add_wishes(proto::Fields& fields, const LinkWishes& wishes) {
  if (!wishes.expires.empty()) fields.add("Expires-In", wishes.expires);
  if (!wishes.max_downloads.empty()) fields.add("Max-Downloads", wishes.max_downloads);
}

class IetfProtocol final : public UploadProtocol {
 public:
  std::string_view name() const override { return "ietf"; }

  // A careful creation: nothing is sent before the upload has a name.
  HttpRequest creation(const std::string& target, const FileFacts& file, const LinkWishes& wishes) const override {
    HttpRequest request = make("POST", target);
    request.fields.add("Upload-Complete", proto::format_sf_boolean(false));
    request.fields.add("Upload-Length", std::to_string(file.size_bytes));
    request.fields.add("Content-Disposition",
                       proto::format_content_disposition(proto::Disposition::attachment, file.name));
    add_wishes(request.fields, wishes);
    return request;
  }
  HttpRequest question(const std::string& location) const override { return make("HEAD", location); }
  HttpRequest append(const std::string& location, uint64_t offset) const override {
    HttpRequest request = make("PATCH", location);
    request.fields.add("Content-Type", proto::kPartialUpload);
    request.fields.add("Upload-Offset", std::to_string(offset));
    request.fields.add("Upload-Complete", proto::format_sf_boolean(true));
    return request;
  }
  HttpRequest cancellation(const std::string& location) const override { return make("DELETE", location); }

  std::optional<UploadPoint> read_point(const HttpAnswer& answer, uint64_t size_bytes) const override {
    const proto::ResumableFields told = proto::read_resumable_fields(answer.head.fields);
    if (!told.complete) return std::nullopt;
    UploadPoint point;
    point.complete = *told.complete;
    // The answer that completes it tells the file instead.
    const std::optional<proto::UploadedFile> file = proto::parse_uploaded_file(answer.body);
    if (file) point.offset = file->size_bytes;
    if (told.offset) point.offset = *told.offset;
    if (!file && !told.offset) point.offset = point.complete ? size_bytes : 0;
    point.link = answer.head.fields.find("Upload-Link").value_or(file ? std::string_view(file->url) : "");
    return point;
  }

 private:
  // Without Upload-Draft-Interop-Version, on purpose: it asks for the interim answer 104, which a careful creation does
  // not need, and which nginx (1.22, Debian 12) takes for the final one.
  static HttpRequest make(std::string method, const std::string& target) { return {std::move(method), target, {}}; }
};

class TusProtocol final : public UploadProtocol {
 public:
  std::string_view name() const override { return "tus"; }

  HttpRequest creation(const std::string& target, const FileFacts& file, const LinkWishes& wishes) const override {
    HttpRequest request = make("POST", target);
    request.fields.add("Upload-Length", std::to_string(file.size_bytes));
    const std::string type = proto::stored_media_type("", file.name);
    request.fields.add("Upload-Metadata",
                       "filename " + proto::base64_encode(file.name) + ",filetype " + proto::base64_encode(type));
    add_wishes(request.fields, wishes);
    return request;
  }
  HttpRequest question(const std::string& location) const override { return make("HEAD", location); }
  HttpRequest append(const std::string& location, uint64_t offset) const override {
    HttpRequest request = make("PATCH", location);
    request.fields.add("Content-Type", proto::kTusContentType);
    request.fields.add("Upload-Offset", std::to_string(offset));
    return request;
  }
  HttpRequest cancellation(const std::string& location) const override { return make("DELETE", location); }

  // With all of its bytes an upload is complete (core protocol, PATCH). A creation need not tell its offset: it is 0.
  std::optional<UploadPoint> read_point(const HttpAnswer& answer, uint64_t size_bytes) const override {
    const std::optional<std::string_view> told = answer.head.fields.find("Upload-Offset");
    const std::optional<uint64_t> offset = proto::parse_tus_number(told.value_or("0"));
    if (!offset || (!told && answer.status() != 201)) return std::nullopt;
    UploadPoint point;
    point.offset = *offset;
    point.complete = point.offset == size_bytes;
    point.link = answer.head.fields.find("Upload-Link").value_or("");
    return point;
  }

 private:
  static HttpRequest make(std::string method, const std::string& target) {
    HttpRequest request{std::move(method), target, {}};
    request.fields.add("Tus-Resumable", proto::kTusVersion);
    return request;
  }
};

// The words of the answer itself; "" when it has none that a person could want.
std::string words_in(const HttpAnswer& answer) {
  const auto type = proto::parse_media_type(answer.head.fields.find("Content-Type").value_or(""));
  if (!type) return {};
  if (type->type.ends_with("json")) return proto::parse_problem_detail(answer.body).value_or("");
  if (type->type != "text/plain") return {};
  return answer.body.substr(0, answer.body.find_first_of("\r\n"));
}

Failure::Kind kind_of(uint16_t status, bool known) {
  if (known && (status == 404 || status == 410)) return Failure::Kind::gone;
  if (known && status == 409) return Failure::Kind::again;  // the offset is another: it is asked for again
  if (status == 408 || status == 425 || status == 429) return Failure::Kind::again;
  // Not implemented, another HTTP version, no room: the same request would meet the same answer.
  const bool lasting = status == 501 || status == 505 || status == 507;
  return status >= 500 && !lasting ? Failure::Kind::again : Failure::Kind::final;
}

// Seconds; a date is not worth a clock here.
std::optional<io::Milliseconds> retry_after(const HttpAnswer& answer) {
  const std::string_view text = answer.head.fields.find("Retry-After").value_or("");
  uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return std::min(io::Milliseconds(uint64_t{seconds} * 1000), kLongestRetryAfter);
}

}  // namespace

std::unique_ptr<UploadProtocol> make_ietf_protocol() {
  return std::make_unique<IetfProtocol>();
}

std::unique_ptr<UploadProtocol> make_tus_protocol() {
  return std::make_unique<TusProtocol>();
}

std::unique_ptr<UploadProtocol> make_protocol(std::string_view name) {
  if (name == "ietf") return make_ietf_protocol();
  if (name == "tus") return make_tus_protocol();
  return nullptr;
}

std::unique_ptr<UploadProtocol> discover_protocol(const proto::Fields& fields) {
  const bool partial = proto::list_contains(fields.joined("Accept-Patch"), proto::kPartialUpload);
  if (partial || fields.count("Upload-Limit") > 0) return make_ietf_protocol();
  if (proto::list_contains(fields.joined("Tus-Version"), proto::kTusVersion)) return make_tus_protocol();
  return nullptr;
}

Failure answer_failure(const HttpAnswer& answer, bool known) {
  Failure failure;
  failure.kind = kind_of(answer.status(), known);
  failure.retry_after = retry_after(answer);
  failure.words = "the server answered " + std::to_string(answer.status());
  const std::string_view reason = proto::reason_phrase(answer.status());
  if (!reason.empty()) failure.words.append(" ").append(reason);
  const std::string said = printable(words_in(answer));
  if (!said.empty()) failure.words += ": " + said.substr(0, kMostWords);
  const std::optional<std::string_view> elsewhere = answer.head.fields.find("Location");
  if (answer.status() / 100 == 3 && elsewhere) failure.words += ": give the URL it names: " + printable(*elsewhere);
  return failure;
}

}  // namespace ringdrop::client
