// File names, URIs, dates and units under any bytes: what goes into a header is clean, what was
// encoded decodes to the same, what was formatted parses to the same.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "proto/characters.h"
#include "proto/content_disposition.h"
#include "proto/file_name.h"
#include "proto/http_date.h"
#include "proto/http_message.h"
#include "proto/units.h"
#include "proto/uri.h"
#include "tests/fuzz/require.h"

namespace ringdrop::proto {
namespace {

// By decoding to code points: another way than the one under test.
bool is_valid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto lead = static_cast<unsigned char>(text[at++]);
    if (lead < 0x80) continue;
    const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc0 || lead > 0xf7) return false;
    uint32_t point = lead & (0x3fU >> static_cast<unsigned>(more));
    for (int i = 0; i < more; ++i) {
      if (at == text.size() || (static_cast<unsigned char>(text[at]) & 0xc0U) != 0x80) return false;
      point = point << 6U | (static_cast<unsigned char>(text[at++]) & 0x3fU);
    }
    constexpr uint32_t kFirstOf[] = {0, 0x80, 0x800, 0x10000};
    if (point < kFirstOf[more] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return false;
  }
  return true;
}

void check_uri(std::string_view text) {
  REQUIRE_THAT(percent_decode(percent_encode(text)) == text);
  if (const auto decoded = percent_decode(text)) REQUIRE_THAT(decoded->size() <= text.size());
  if (const auto pairs = parse_query(text, 8)) REQUIRE_THAT(pairs->size() <= 8);

  std::string joined;
  for (const std::string_view segment : path_segments(text)) {
    REQUIRE_THAT(segment.find('/') == std::string_view::npos);
    joined += '/';
    joined += segment;
  }
  REQUIRE_THAT(joined == (text.starts_with('/') ? text : ""));

  if (is_valid_host(text)) {
    REQUIRE_THAT(!text.empty() && run_length(text, kTargetChar) == text.size());
    REQUIRE_THAT(text.find_first_of("/@,?#\"\\<>") == std::string_view::npos);
  }
}

void check_names(std::string_view text) {
  const std::string utf8 = utf8_file_name(text);
  REQUIRE_THAT(is_valid_utf8(utf8));
  REQUIRE_THAT(utf8_file_name(utf8) == utf8);
  REQUIRE_THAT(is_valid_utf8(text) == (utf8 == text));
  const std::string ascii = ascii_file_name(text);
  REQUIRE_THAT(ascii.size() == text.size());

  for (const Disposition disposition : {Disposition::attachment, Disposition::inline_}) {
    const std::string value = format_content_disposition(disposition, text);
    for (const char c : value) REQUIRE_THAT(c >= 0x20 && c < 0x7f);
    std::size_t quotes = 0;
    for (const char c : value) quotes += c == '"' ? 1 : 0;
    REQUIRE_THAT(quotes == (text.empty() ? 0 : 2));
    REQUIRE_THAT(value.find('\\') == std::string::npos);
    const std::size_t extended = value.find("filename*=UTF-8''");
    if (extended != std::string::npos && ascii.find("filename*=UTF-8''") == std::string::npos) {
      REQUIRE_THAT(percent_decode(std::string_view(value).substr(extended + 17)) == utf8);
    }
  }
  if (const auto accepted = accept_file_name(std::string(text))) {
    REQUIRE_THAT(accepted->size() <= kFileNameBytes);
    REQUIRE_THAT(*accepted != "." && *accepted != "..");
    REQUIRE_THAT(accepted->find('/') == std::string::npos && accepted->find('\0') == std::string::npos);
  }
}

void check_dates(std::string_view text) {
  int64_t number = 0;
  std::memcpy(&number, text.data(), text.size() < sizeof(number) ? text.size() : sizeof(number));
  const std::string written = format_http_date(number);
  REQUIRE_THAT(written.size() == 29);
  const auto read = parse_http_date(written, number);
  REQUIRE_THAT(read.has_value());
  REQUIRE_THAT(format_http_date(*read) == written);
  if (const auto parsed = parse_http_date(text, number)) {
    REQUIRE_THAT(parse_http_date(format_http_date(*parsed), 0).has_value());
  }
}

void check_units(std::string_view text) {
  if (const auto duration = parse_duration(text)) REQUIRE_THAT(duration->count() >= 0);
  if (const auto size = parse_size(text)) REQUIRE_THAT(parse_size(format_size(*size)) == size);
}

}  // namespace
}  // namespace ringdrop::proto

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace ringdrop::proto;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_uri(text);
  check_names(text);
  check_dates(text);
  check_units(text);
  const std::size_t half = size / 2;
  if (list_contains(text.substr(0, half), text.substr(half))) REQUIRE_THAT(half > 0 || size == 0);
  return 0;
}
