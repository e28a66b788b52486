// The classes of bytes that the protocols are written in (RFC 5234 B.1, RFC 9110 5.5 and 5.6).
// ASCII only, whatever the locale says. Not here: anything longer than one byte.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ringdrop::proto {

enum CharacterClass : uint8_t {
  kTokenChar = 1,   // tchar: methods, field names and most parameters (RFC 9110 5.6.2)
  kTargetChar = 2,  // visible ASCII: all that a request target may hold in the raw (RFC 3986 2)
  kValueChar = 4,   // field-vchar, SP and HT: a field's value (RFC 9110 5.5)
};

namespace detail {

constexpr bool is_alphanumeric(unsigned c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

inline constexpr std::string_view kTokenMarks = "!#$%&'*+-.^_`|~";

constexpr std::array<uint8_t, 256> make_character_classes() {
  std::array<uint8_t, 256> classes{};
  for (unsigned c = 0; c < classes.size(); ++c) {
    const bool visible = c > 0x20 && c < 0x7f;
    const bool token =
        is_alphanumeric(c) || (visible && kTokenMarks.find(static_cast<char>(c)) != std::string_view::npos);
    const bool value = visible || c == ' ' || c == '\t' || c >= 0x80;
    classes[c] =
        static_cast<uint8_t>((token ? kTokenChar : 0) | (visible ? kTargetChar : 0) | (value ? kValueChar : 0));
  }
  return classes;
}

inline constexpr std::array<uint8_t, 256> kCharacterClasses = make_character_classes();

}  // namespace detail

constexpr bool is_in(char c, CharacterClass character_class) {
  return (detail::kCharacterClasses[static_cast<unsigned char>(c)] & character_class) != 0;
}

// How many bytes at the front of `text` are of that class.
constexpr std::size_t run_length(std::string_view text, CharacterClass character_class) {
  std::size_t length = 0;
  while (length < text.size() && is_in(text[length], character_class)) ++length;
  return length;
}

constexpr bool is_token(std::string_view text) {
  return !text.empty() && run_length(text, kTokenChar) == text.size();
}

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// 0..15, or -1 for what is no hex digit.
constexpr int hex_digit_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// CTL of RFC 5234: what must never reach a header.
constexpr bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f;
}

constexpr char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// `text` without the white space around it: OWS = *( SP / HTAB ), RFC 9110 5.6.3.
constexpr std::string_view trim_white_space(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace ringdrop::proto
