#include "proto/api_json.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "proto/base64.h"
#include "proto/http_response.h"

namespace ringdrop::proto {
namespace {

using Json = nlohmann::ordered_json;  // keys in the order in which they are added

// What four digits of a year can say, as in http_date.cc: 0001-01-01T00:00:00 and 9999-12-31T23:59:59.
constexpr int64_t kFirstSecond = -62'135'596'800;
constexpr int64_t kLastSecond = 253'402'300'799;

// The default handler throws at a byte that is no UTF-8, and file names are any bytes.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

Json digests_or_null(const std::vector<Digest>& digests) {
  Json object;  // null
  for (const Digest& digest : digests) object[std::string(digest_key(digest.algorithm))] = to_hex(digest.bytes);
  return object;
}

Json time_or_null(std::optional<int64_t> epoch_ms) {
  return epoch_ms ? Json(format_rfc3339(*epoch_ms)) : Json(nullptr);
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// A discarded value for what is no JSON: the parser does not throw.
Json parse(std::string_view text) {
  return Json::parse(text, nullptr, false);
}

// The member of an object, when it has that type.
template <class T>
std::optional<T> member(const Json& object, const char* name) {
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find(name);
  if (found == object.end()) return std::nullopt;
  if constexpr (std::is_same_v<T, double>) {
    return found->is_number() ? std::optional<double>(found->get<double>()) : std::nullopt;
  }
  const T* value = nullptr;
  if constexpr (std::is_same_v<T, std::string>) {
    value = found->get_ptr<const std::string*>();
  } else if constexpr (std::is_same_v<T, uint64_t>) {
    value = found->get_ptr<const Json::number_unsigned_t*>();
  }
  return value ? std::optional<T>(*value) : std::nullopt;
}

void append_number(std::string& text, unsigned value, std::size_t width) {
  const std::string digits = std::to_string(value);
  text.append(width - std::min(width, digits.size()), '0');
  text += digits;
}

}  // namespace

std::string format_uploaded_files(const std::vector<UploadedFile>& files) {
  Json list = Json::array();
  for (const UploadedFile& file : files) {
    Json entry;
    entry["name"] = file.name;
    entry["size"] = file.size_bytes;
    entry["url"] = file.url;
    entry["delete_url"] = file.delete_url;
    entry["delete_token"] = file.delete_token;
    entry["expires_at"] = time_or_null(file.expires_at_ms);
    entry["digest"] = digests_or_null(file.digests);
    list.push_back(std::move(entry));
  }
  Json answer;
  answer["files"] = std::move(list);
  return dump(answer);
}

std::optional<UploadedFile> parse_uploaded_file(std::string_view json) {
  const Json answer = parse(json);
  if (!answer.is_object()) return std::nullopt;
  const auto files = answer.find("files");
  if (files == answer.end() || !files->is_array() || files->empty()) return std::nullopt;
  const auto size = member<uint64_t>(files->front(), "size");
  const auto url = member<std::string>(files->front(), "url");
  if (!size || !url) return std::nullopt;
  UploadedFile file;
  file.name = member<std::string>(files->front(), "name").value_or("");
  file.size_bytes = *size;
  file.url = *url;
  return file;
}

std::string format_link(const LinkView& link) {
  Json answer;
  answer["name"] = link.name;
  answer["size"] = link.size_bytes;
  answer["content_type"] = link.content_type;
  answer["digest"] = digests_or_null(link.digests);
  answer["created_at"] = format_rfc3339(link.created_at_ms);
  answer["expires_at"] = time_or_null(link.expires_at_ms);
  answer["downloads"] = link.downloads;
  answer["downloads_left"] = or_null(link.downloads_left);
  return dump(answer);
}

std::string format_upload(const UploadView& upload) {
  Json answer;
  answer["id"] = upload.id;
  answer["watch"] = upload.watch;
  answer["state"] = upload.state;
  answer["bytes_stored"] = upload.bytes_stored;
  answer["bytes_total"] = or_null(upload.bytes_total);
  answer["started_at"] = format_rfc3339(upload.started_at_ms);
  if (!upload.url.empty()) {
    answer["url"] = upload.url;
    answer["digest"] = digests_or_null(upload.digests);
  }
  return dump(answer);
}

std::string format_progress(const ProgressMessage& message) {
  Json answer;
  answer["watch"] = message.watch;
  answer["state"] = message.state;
  answer["bytes_stored"] = message.bytes_stored;
  answer["bytes_total"] = or_null(message.bytes_total);
  answer["rate"] = or_null(message.rate);
  answer["eta"] = or_null(message.eta);
  if (!message.url.empty()) answer["url"] = message.url;
  if (!message.reason.empty()) answer["reason"] = message.reason;
  std::string text = dump(answer);
  text.pop_back();  // the line end
  return text;
}

std::string format_problem(const Problem& problem) {
  Json answer;
  answer["type"] = problem.type;
  answer["title"] = reason_phrase(problem.status);
  answer["status"] = problem.status;
  answer["detail"] = problem.detail;
  answer["code"] = problem.code;
  answer["server"] = "ringdrop";
  for (const auto& [name, number] : problem.numbers) answer[std::string(name)] = number;
  return dump(answer);
}

std::optional<std::string> parse_problem_detail(std::string_view json) {
  const Json problem = parse(json);
  std::optional<std::string> detail = member<std::string>(problem, "detail");
  return detail ? detail : member<std::string>(problem, "title");
}

std::string format_saved_upload(const SavedUpload& upload) {
  Json saved;
  saved["server"] = upload.server;
  saved["file"] = upload.path;
  saved["path"] = base64_encode(upload.path);
  saved["size"] = upload.size_bytes;
  saved["modified_ns"] = std::to_string(upload.modified_ns);  // beyond what a double holds
  saved["protocol"] = upload.protocol;
  saved["location"] = upload.location;
  return dump(saved);
}

std::optional<ProgressNotice> parse_progress(std::string_view json) {
  const Json message = parse(json);
  const auto state = member<std::string>(message, "state");
  const auto bytes = member<uint64_t>(message, "bytes_stored");
  if (!state || !bytes) return std::nullopt;
  ProgressNotice notice;
  notice.state = *state;
  notice.bytes_stored = *bytes;
  notice.bytes_total = member<uint64_t>(message, "bytes_total");
  notice.rate = member<double>(message, "rate");
  notice.eta = member<double>(message, "eta");
  notice.url = member<std::string>(message, "url").value_or("");
  notice.reason = member<std::string>(message, "reason").value_or("");
  return notice;
}

std::optional<SavedUpload> parse_saved_upload(std::string_view json) {
  const Json saved = parse(json);
  const auto server = member<std::string>(saved, "server");
  const auto path = base64_decode(member<std::string>(saved, "path").value_or("?"));
  const auto size = member<uint64_t>(saved, "size");
  const auto modified = member<std::string>(saved, "modified_ns").value_or("");
  const auto protocol = member<std::string>(saved, "protocol");
  const auto location = member<std::string>(saved, "location");
  int64_t modified_ns = 0;
  const auto [end, error] = std::from_chars(modified.data(), modified.data() + modified.size(), modified_ns);
  const bool dated = error == std::errc{} && end == modified.data() + modified.size();
  if (!server || !path || !size || !dated || !protocol || !location) return std::nullopt;
  return SavedUpload{.server = *server,
                     .path = *path,
                     .size_bytes = *size,
                     .modified_ns = modified_ns,
                     .protocol = *protocol,
                     .location = *location};
}

std::string format_rfc3339(int64_t epoch_ms) {
  using std::chrono::days;
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  const seconds whole = std::chrono::floor<seconds>(milliseconds(epoch_ms));
  const std::chrono::sys_seconds instant{std::clamp(whole, seconds(kFirstSecond), seconds(kLastSecond))};
  const std::chrono::sys_days today = std::chrono::floor<days>(instant);
  const std::chrono::year_month_day date(today);
  const std::chrono::hh_mm_ss time(instant - today);
  std::string text;
  append_number(text, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  text += '-';
  append_number(text, static_cast<unsigned>(date.month()), 2);
  text += '-';
  append_number(text, static_cast<unsigned>(date.day()), 2);
  text += 'T';
  append_number(text, static_cast<unsigned>(time.hours().count()), 2);
  text += ':';
  append_number(text, static_cast<unsigned>(time.minutes().count()), 2);
  text += ':';
  append_number(text, static_cast<unsigned>(time.seconds().count()), 2);
  text += 'Z';
  return text;
}

}  // namespace ringdrop::proto
