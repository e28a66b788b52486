// The name of a blob's file: a directory number and a serial in it. Paths are made from it and from nothing else.
#pragma once

#include <fmt/format.h>

#include <charconv>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringdrop::storage {

// How many files a directory gets, in order of creation. A multiple of many commits, few enough to list in one go.
inline constexpr uint32_t kFilesPerDirectory = 4096;

struct BlobId {
  uint64_t value = 0;  // directory * kFilesPerDirectory + serial

  static constexpr BlobId make(uint32_t directory, uint32_t serial) {
    return {uint64_t{directory} * kFilesPerDirectory + serial};
  }
  constexpr uint32_t directory() const { return static_cast<uint32_t>(value / kFilesPerDirectory); }
  constexpr uint32_t serial() const { return static_cast<uint32_t>(value % kFilesPerDirectory); }
  // Within its directory: three hex digits.
  std::string file_name() const { return fmt::format("{:03x}", serial()); }
  auto operator<=>(const BlobId&) const = default;
};

inline constexpr uint32_t kMaxDirectory = UINT32_MAX - 1;

// "0000002a": the directory's name below blobs/ and the mark's below unsettled/.
inline std::string directory_name(uint32_t directory) {
  return fmt::format("{:08x}", directory);
}

// A directory below unsettled/ that comes and goes: made and removed to see whether an entry can be made.
inline constexpr const char* kProbeName = "probe";

// The number that `digits` hex digits (lower case) stand for; nullopt for any other text.
inline std::optional<uint32_t> parse_hex_name(std::string_view name, std::size_t digits) {
  uint32_t value = 0;
  if (name.size() != digits || name.find_first_not_of("0123456789abcdef") != name.npos) return std::nullopt;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), value, 16);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return value;
}

// Below blobs/: "0000002a/0b3".
inline std::string path_of(BlobId id) {
  return directory_name(id.directory()) + '/' + id.file_name();
}

}  // namespace ringdrop::storage
