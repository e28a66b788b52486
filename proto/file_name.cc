#include "proto/file_name.h"

#include <utility>

#include "proto/characters.h"

namespace ringdrop::proto {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

// Which second bytes may follow a lead byte, and how many bytes the sequence has (Unicode 3.9,
// table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF. length 0: no lead byte.
struct Utf8Lead {
  std::size_t length;
  unsigned char second_first;
  unsigned char second_last;
};

constexpr Utf8Lead utf8_lead(unsigned char lead) {
  if (lead >= 0xc2 && lead <= 0xdf) return {2, 0x80, 0xbf};
  if (lead == 0xe0) return {3, 0xa0, 0xbf};
  if (lead == 0xed) return {3, 0x80, 0x9f};
  if (lead >= 0xe1 && lead <= 0xef) return {3, 0x80, 0xbf};
  if (lead == 0xf0) return {4, 0x90, 0xbf};
  if (lead >= 0xf1 && lead <= 0xf3) return {4, 0x80, 0xbf};
  if (lead == 0xf4) return {4, 0x80, 0x8f};
  return {0, 0, 0};
}

// The longest prefix of `text` that is a sequence or the beginning of one ("maximal subpart"), at
// least one byte.
struct Utf8Sequence {
  std::size_t bytes;
  bool valid;
};

Utf8Sequence front_sequence(std::string_view text) {
  const auto byte_at = [text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  if (byte_at(0) < 0x80) return {1, true};
  const Utf8Lead lead = utf8_lead(byte_at(0));
  if (lead.length == 0 || text.size() < 2) return {1, false};
  if (byte_at(1) < lead.second_first || byte_at(1) > lead.second_last) return {1, false};
  std::size_t bytes = 2;
  while (bytes < lead.length && bytes < text.size() && (byte_at(bytes) & 0xc0U) == 0x80U) ++bytes;
  return {bytes, bytes == lead.length};
}

}  // namespace

std::expected<std::string, Rejection> accept_file_name(std::string bytes) {
  if (bytes.size() > kFileNameBytes) {
    return std::unexpected(Rejection{400, "bad_name", "the file name is longer than 255 bytes"});
  }
  if (bytes.find('\0') != std::string::npos) {
    return std::unexpected(Rejection{400, "bad_name", "the file name contains a NUL byte"});
  }
  if (bytes.find('/') != std::string::npos) {
    return std::unexpected(Rejection{400, "bad_name", "the file name contains a slash"});
  }
  if (bytes == "." || bytes == "..") bytes.clear();
  return bytes;
}

std::string ascii_file_name(std::string_view name) {
  std::string ascii(name);
  for (char& c : ascii) {
    if (is_control(c) || c == '"' || c == '\\' || static_cast<unsigned char>(c) >= 0x80) c = '_';
  }
  return ascii;
}

std::string utf8_file_name(std::string_view name) {
  std::string utf8;
  utf8.reserve(name.size());
  while (!name.empty()) {
    const Utf8Sequence sequence = front_sequence(name);
    utf8 += sequence.valid ? name.substr(0, sequence.bytes) : kReplacement;
    name.remove_prefix(sequence.bytes);
  }
  return utf8;
}

}  // namespace ringdrop::proto
