#include "proto/resumable.h"

#include <variant>

#include "proto/structured_fields.h"

namespace ringdrop::proto {
namespace {

template <class T>
std::optional<T> read_item(const Fields& fields, std::string_view name) {
  const std::optional<SfItem> item = parse_sf_item(fields.joined(name));
  const T* const value = item ? std::get_if<T>(&item->value) : nullptr;
  return value ? std::optional<T>(*value) : std::nullopt;
}

std::optional<uint64_t> read_count(const Fields& fields, std::string_view name) {
  const std::optional<int64_t> number = read_item<int64_t>(fields, name);
  return number && *number >= 0 ? std::optional<uint64_t>(static_cast<uint64_t>(*number)) : std::nullopt;
}

}  // namespace

ResumableFields read_resumable_fields(const Fields& fields) {
  ResumableFields read;
  read.complete = read_item<bool>(fields, "Upload-Complete");
  read.incomplete = read_item<bool>(fields, "Upload-Incomplete");
  read.offset = read_count(fields, "Upload-Offset");
  read.length = read_count(fields, "Upload-Length");
  const std::optional<int64_t> version = read_item<int64_t>(fields, "Upload-Draft-Interop-Version");
  read.wants_interim = version == kInteropVersion;
  read.older_draft = version == 5 || version == 6;
  read.unknown_draft = version && !read.wants_interim && !read.older_draft;
  return read;
}

std::string_view format_sf_boolean(bool value) {
  return value ? "?1" : "?0";
}

}  // namespace ringdrop::proto
