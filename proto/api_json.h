// The JSON that the server answers and the client reads and keeps (nlohmann/json behind it): values in, text out, and
// back. Pure. Bytes that are no UTF-8 become U+FFFD; times are RFC 3339 in UTC with milliseconds left out
// ("2026-11-21T08:30:00Z").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/digest.h"

namespace ringdrop::proto {

// One file of an upload's answer.
struct UploadedFile {
  std::string name;  // any bytes
  uint64_t size_bytes = 0;
  std::string url;
  std::string delete_url;
  std::string delete_token;
  std::optional<int64_t> expires_at_ms;  // since 1970; absent: null
  std::vector<Digest> digests;           // {"sha-256": "hex", ...}; null when empty
};
// {"files":[{"name","size","url","delete_url","delete_token","expires_at","digest"}]} and a newline.
std::string format_uploaded_files(const std::vector<UploadedFile>& files);
// The name, size and url of the first file of such an answer; nullopt: it is none.
std::optional<UploadedFile> parse_uploaded_file(std::string_view json);

// GET /api/links/{token}: name, size, content_type, digest, created_at, expires_at, downloads, downloads_left. Never a
// secret.
struct LinkView {
  std::string name;
  uint64_t size_bytes = 0;
  std::string content_type;
  std::vector<Digest> digests;
  int64_t created_at_ms = 0;
  std::optional<int64_t> expires_at_ms;
  uint64_t downloads = 0;
  std::optional<uint64_t> downloads_left;  // absent: unlimited, null
};
std::string format_link(const LinkView& link);

// GET /uploads/{id}: id, watch, state, bytes_stored, bytes_total, started_at; and, once there is a link, url and
// digest.
struct UploadView {
  std::string_view id;
  std::string_view watch;
  std::string_view state;
  uint64_t bytes_stored = 0;
  std::optional<uint64_t> bytes_total;  // absent: null
  int64_t started_at_ms = 0;
  std::string url;  // "" before it is complete
  std::vector<Digest> digests;
};
std::string format_upload(const UploadView& upload);

// One message to a watcher, without a line end: watch, state, bytes_stored, bytes_total, rate (bytes a second), eta
// (s), and url or reason when they are there.
struct ProgressMessage {
  std::string_view watch;
  std::string_view state;
  uint64_t bytes_stored = 0;
  std::optional<uint64_t> bytes_total;
  std::optional<double> rate;
  std::optional<double> eta;
  std::string url{};
  std::string_view reason{};
};
std::string format_progress(const ProgressMessage& message);
// What a watcher reads of it.
struct ProgressNotice {
  std::string state;
  uint64_t bytes_stored = 0;
  std::optional<uint64_t> bytes_total;
  std::optional<double> rate;
  std::optional<double> eta;
  std::string url;     // "" without
  std::string reason;  // "" without
};
// nullopt: it is none.
std::optional<ProgressNotice> parse_progress(std::string_view json);

// application/problem+json (RFC 9457): {"type","title","status","detail","code","server":"ringdrop"}. `type` is
// "about:blank" unless given; title is the status's reason phrase. `numbers` are members of that type's own.
struct Problem {
  uint16_t status = 500;
  std::string_view code;
  std::string_view detail;
  std::string_view type = "about:blank";
  std::vector<std::pair<std::string_view, uint64_t>> numbers{};
};
std::string format_problem(const Problem& problem);
// Its "detail", else its "title" (RFC 9457 3.1); nullopt: it has neither, or is no JSON.
std::optional<std::string> parse_problem_detail(std::string_view json);

// What a client remembers of an upload that has not ended.
struct SavedUpload {
  std::string server;  // the URL that was given
  std::string path;    // of the file, absolute; any bytes
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;
  std::string protocol;  // "ietf", "tus"
  std::string location;  // of the upload, an absolute path on the server

  bool operator==(const SavedUpload&) const = default;
};
std::string format_saved_upload(const SavedUpload& upload);
// nullopt: it is none, whatever else it is.
std::optional<SavedUpload> parse_saved_upload(std::string_view json);

// "2026-11-21T08:30:00Z"; also beyond the year 9999 some text of that form, never a crash.
std::string format_rfc3339(int64_t epoch_ms);

}  // namespace ringdrop::proto
