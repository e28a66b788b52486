#include "proto/file_types.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "proto/characters.h"
#include "proto/media_type.h"

namespace ringdrop::proto {
namespace {

constexpr std::string_view kUnknown = "application/octet-stream";
constexpr std::size_t kMostBytes = 255;

// By ending, sorted.
constexpr std::array<std::pair<std::string_view, std::string_view>, 56> kByEnding{{
    {"7z", "application/x-7z-compressed"},
    {"aac", "audio/aac"},
    {"apk", "application/vnd.android.package-archive"},
    {"avi", "video/x-msvideo"},
    {"avif", "image/avif"},
    {"bmp", "image/bmp"},
    {"bz2", "application/x-bzip2"},
    {"css", "text/css"},
    {"csv", "text/csv; charset=utf-8"},
    {"deb", "application/vnd.debian.binary-package"},
    {"doc", "application/msword"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"epub", "application/epub+zip"},
    {"flac", "audio/flac"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"htm", "text/html; charset=utf-8"},
    {"html", "text/html; charset=utf-8"},
    {"ico", "image/vnd.microsoft.icon"},
    {"iso", "application/x-iso9660-image"},
    {"jar", "application/java-archive"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript"},
    {"json", "application/json"},
    {"log", "text/plain; charset=utf-8"},
    {"m4a", "audio/mp4"},
    {"m4v", "video/mp4"},
    {"md", "text/plain; charset=utf-8"},
    {"mkv", "video/x-matroska"},
    {"mov", "video/quicktime"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"odp", "application/vnd.oasis.opendocument.presentation"},
    {"ods", "application/vnd.oasis.opendocument.spreadsheet"},
    {"odt", "application/vnd.oasis.opendocument.text"},
    {"oga", "audio/ogg"},
    {"ogg", "audio/ogg"},
    {"ogv", "video/ogg"},
    {"opus", "audio/ogg"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"ppt", "application/vnd.ms-powerpoint"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"tgz", "application/gzip"},
    {"txt", "text/plain; charset=utf-8"},
    {"wav", "audio/wav"},
    {"webm", "video/webm"},
    {"webp", "image/webp"},
    {"xls", "application/vnd.ms-excel"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"xml", "text/xml"},
    {"xz", "application/x-xz"},
    {"zip", "application/zip"},
    {"zst", "application/zstd"},
}};
static_assert(std::ranges::is_sorted(kByEnding));

constexpr std::array<std::string_view, 20> kInline{
    "application/ogg", "application/pdf", "audio/aac",   "audio/flac", "audio/mp4", "audio/mpeg", "audio/ogg",
    "audio/wav",       "audio/webm",      "audio/x-wav", "image/avif", "image/bmp", "image/gif",  "image/jpeg",
    "image/png",       "image/webp",      "text/plain",  "video/mp4",  "video/ogg", "video/webm",
};
static_assert(std::ranges::is_sorted(kInline));

std::string_view by_ending(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == name.npos) return kUnknown;
  std::string ending(name.substr(dot + 1));
  std::ranges::transform(ending, ending.begin(), ascii_lower);
  const auto found = std::ranges::lower_bound(kByEnding, std::string_view(ending), {},
                                              &std::pair<std::string_view, std::string_view>::first);
  return found != kByEnding.end() && found->first == ending ? found->second : kUnknown;
}

}  // namespace

std::string stored_media_type(std::string_view declared, std::string_view name) {
  const std::optional<MediaType> parsed = declared.size() <= kMostBytes ? parse_media_type(declared) : std::nullopt;
  const bool printable = std::ranges::all_of(declared, [](char c) { return c >= ' ' && c <= '~'; });
  const bool says_something = parsed && printable && parsed->type != kUnknown &&
                              parsed->type != "application/x-www-form-urlencoded" &&
                              parsed->type != "application/partial-upload";
  return std::string(says_something ? declared : by_ending(name));
}

bool may_display_inline(std::string_view media_type) {
  const std::optional<MediaType> parsed = parse_media_type(media_type);
  return parsed && std::ranges::binary_search(kInline, std::string_view(parsed->type));
}

}  // namespace ringdrop::proto
