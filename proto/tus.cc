#include "proto/tus.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "proto/base64.h"
#include "proto/characters.h"

namespace ringdrop::proto {
namespace {

constexpr Rejection kBadMetadata{400, "bad_upload_metadata", "Upload-Metadata is not a list of keys and base64 values"};
constexpr Rejection kBadChecksum{400, "bad_upload_checksum",
                                 "Upload-Checksum is not sha1, sha256 or md5 and a base64 digest"};

constexpr Rejection kBadConcat{400, "bad_upload_concat",
                               "Upload-Concat is not partial, nor final; and 1 to 64 different partial uploads"};

constexpr std::array<std::pair<std::string_view, DigestAlgorithm>, 3> kAlgorithms{{
    {"sha1", DigestAlgorithm::sha1},
    {"sha256", DigestAlgorithm::sha256},
    {"md5", DigestAlgorithm::md5},
}};

}  // namespace

std::optional<uint64_t> parse_tus_number(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
  return number;
}

std::expected<std::vector<std::pair<std::string, std::string>>, Rejection> parse_tus_metadata(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  text = trim_white_space(text);
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view pair = trim_white_space(text.substr(0, comma));
    if (comma + 1 == text.size()) return std::unexpected(kBadMetadata);  // nothing behind the last comma
    text.remove_prefix(std::min(comma + 1, text.size()));
    const std::size_t space = std::min(pair.find(' '), pair.size());
    const std::string_view key = pair.substr(0, space);
    // Creation: keys are not empty, hold neither space nor comma, are ASCII, and unique.
    const bool plain = std::ranges::all_of(key, [](char c) { return is_in(c, kTargetChar); });
    const bool known = std::ranges::find(pairs, key, &std::pair<std::string, std::string>::first) != pairs.end();
    if (key.empty() || !plain || known) return std::unexpected(kBadMetadata);
    std::optional<std::string> value = base64_decode(trim_white_space(pair.substr(space)));
    if (!value) return std::unexpected(kBadMetadata);
    pairs.emplace_back(std::string(key), std::move(*value));
  }
  return pairs;
}

std::expected<TusConcat, Rejection> parse_tus_concat(std::string_view text) {
  TusConcat concat;
  if (text == "partial") return concat;
  constexpr std::string_view kFinal = "final;";
  if (!text.starts_with(kFinal)) return std::unexpected(kBadConcat);
  concat.final = true;
  text = trim_white_space(text.substr(kFinal.size()));
  while (!text.empty()) {
    const std::size_t space = std::min(text.find(' '), text.size());
    std::string part(text.substr(0, space));
    const bool again = std::ranges::find(concat.parts, part) != concat.parts.end();
    if (again || concat.parts.size() == kMostConcatParts) return std::unexpected(kBadConcat);
    concat.parts.push_back(std::move(part));
    text = trim_white_space(text.substr(space));
  }
  if (concat.parts.empty()) return std::unexpected(kBadConcat);
  return concat;
}

std::expected<Digest, Rejection> parse_tus_checksum(std::string_view text) {
  const std::size_t space = text.find(' ');
  if (space == text.npos) return std::unexpected(kBadChecksum);
  const auto algorithm =
      std::ranges::find(kAlgorithms, text.substr(0, space), &decltype(kAlgorithms)::value_type::first);
  if (algorithm == kAlgorithms.end()) return std::unexpected(kBadChecksum);
  std::optional<std::string> bytes = base64_decode(trim_white_space(text.substr(space)));
  if (!bytes || bytes->size() != digest_bytes(algorithm->second)) return std::unexpected(kBadChecksum);
  return Digest{algorithm->second, std::move(*bytes)};
}

}  // namespace ringdrop::proto
