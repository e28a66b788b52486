#include "client/display_text.h"

#include <cstdint>

namespace ringdrop::client {
namespace {

constexpr char32_t kNone = 0xffffffff;

// The code point at the front and its bytes (RFC 3629); kNone and one byte for what is none.
struct CodePoint {
  char32_t value;
  std::size_t bytes;
};
CodePoint first_of(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return {byte(0), 1};
  const std::size_t bytes = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < bytes) return {kNone, 1};
  char32_t value = byte(0) & (0x7fU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return {kNone, 1};
    value = value << 6U | (byte(i) & 0x3fU);
  }
  const bool overlong = (bytes == 3 && value < 0x800) || (bytes == 4 && value < 0x10000);
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (overlong || surrogate || value > 0x10ffff) return {kNone, 1};
  return {value, bytes};
}

// What moves the cursor, or turns the direction of what follows (UAX 9).
bool is_harmless(char32_t c) {
  const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
  const bool turns = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f;
  return c != kNone && !control && !turns;
}

std::size_t columns_of(char32_t c) {
  const bool combining = (c >= 0x300 && c < 0x370) || c == 0x200b || c == 0x200d || (c >= 0xfe00 && c < 0xfe10);
  if (combining) return 0;
  const bool wide = (c >= 0x1100 && c < 0x1160) || (c >= 0x2e80 && c < 0xa4d0) || (c >= 0xac00 && c < 0xd7a4) ||
                    (c >= 0xf900 && c < 0xfb00) || (c >= 0xfe30 && c < 0xfe70) || (c >= 0xff00 && c < 0xff61) ||
                    (c >= 0x1f300 && c < 0x1faff) || (c >= 0x20000 && c < 0x40000);
  return wide ? 2 : 1;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const CodePoint c = first_of(text);
    if (is_harmless(c.value)) {
      result += text.substr(0, c.bytes);
    } else {
      result += '?';
    }
    text.remove_prefix(c.bytes);
  }
  return result;
}

std::size_t display_columns(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const CodePoint c = first_of(text);
    columns += columns_of(c.value);
    text.remove_prefix(c.bytes);
  }
  return columns;
}

std::string fit(std::string_view text, std::size_t columns) {
  constexpr std::string_view kDots = "...";
  const std::string whole = printable(text);
  const std::size_t all = display_columns(whole);
  if (all <= columns) return whole + std::string(columns - all, ' ');
  const std::string_view dots = columns > 2 * kDots.size() ? kDots : std::string_view();
  std::string result;
  std::size_t used = 0;
  for (std::string_view rest = whole; !rest.empty();) {
    const CodePoint c = first_of(rest);
    const std::size_t more = columns_of(c.value);
    if (used + more + dots.size() > columns) break;
    result += rest.substr(0, c.bytes);
    used += more;
    rest.remove_prefix(c.bytes);
  }
  result += dots;
  return result + std::string(columns - used - dots.size(), ' ');
}

}  // namespace ringdrop::client
