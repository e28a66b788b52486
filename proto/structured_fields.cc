#include "proto/structured_fields.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <map>

#include "proto/base64.h"
#include "proto/characters.h"
#include "proto/file_name.h"

namespace ringdrop::proto {
namespace {

using Parameters = std::vector<std::pair<std::string, SfBareItem>>;

bool is_lower_alpha(char c) {
  return c >= 'a' && c <= 'z';
}

bool is_alpha(char c) {
  return is_lower_alpha(ascii_lower(c));
}

bool is_key_char(char c) {  // RFC 9651 3.1.2, but for the first
  return is_lower_alpha(c) || is_digit(c) || c == '_' || c == '-' || c == '.' || c == '*';
}

bool is_token_char(char c) {  // RFC 9651 3.3.4, but for the first
  return is_in(c, kTokenChar) || c == ':' || c == '/';
}

// A list of keyed values in which a repeated key takes the place of the first one and the value of the last
// (RFC 9651 4.2.2, 4.2.3.2). The index keeps a list of thousands of keys from costing their square.
template <class Value>
class KeyedValues {
 public:
  // `key` is a part of the parsed text, which outlives this.
  void put(std::string_view key, Value value) {
    const auto [entry, is_new] = index_.try_emplace(key, values_.size());
    if (is_new) {
      values_.emplace_back(std::string(key), std::move(value));
    } else {
      values_[entry->second].second = std::move(value);
    }
  }

  std::vector<std::pair<std::string, Value>> take() { return std::move(values_); }

 private:
  std::vector<std::pair<std::string, Value>> values_;
  std::map<std::string_view, std::size_t> index_;
};

// One method for each algorithm of RFC 9651 4.2; nullopt is "fail parsing". They nest as the grammar does: a member, an
// inner list, an item, a parameter, so that no input makes them recurse.
class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  std::optional<SfItem> item();
  std::optional<SfDictionary> dictionary();

  bool at_end() const { return rest_.empty(); }
  void skip_white_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }
  void skip_spaces() { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }

 private:
  std::optional<SfMember> member();
  std::optional<SfMember> inner_list();
  std::optional<Parameters> parameters();
  std::optional<std::string_view> key();
  std::optional<SfBareItem> bare_item();
  std::optional<SfBareItem> number();
  std::optional<SfBareItem> string();
  std::optional<SfBareItem> token();
  std::optional<SfBareItem> bytes();
  std::optional<SfBareItem> boolean();
  std::optional<SfBareItem> date();
  std::optional<SfBareItem> display_string();

  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // All at the front that `is_wanted`.
  template <class Predicate>
  std::string_view take_while(Predicate is_wanted) {
    const auto* const end = std::find_if_not(rest_.data(), rest_.data() + rest_.size(), is_wanted);
    return take_bytes(static_cast<std::size_t>(end - rest_.data()));
  }

  std::string_view take_bytes(std::size_t count) {
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest_;
};

std::optional<SfDictionary> Parser::dictionary() {  // RFC 9651 4.2.2
  KeyedValues<SfMember> members;
  while (!at_end()) {
    const auto this_key = key();
    if (!this_key) return std::nullopt;
    std::optional<SfMember> value = member();
    if (!value) return std::nullopt;
    members.put(*this_key, std::move(*value));
    skip_white_space();
    if (at_end()) break;
    if (!take(',')) return std::nullopt;
    skip_white_space();
    if (at_end()) return std::nullopt;  // a trailing comma
  }
  return members.take();
}

// What follows the key of a dictionary: "=" and an item or an inner list, or parameters of a true.
std::optional<SfMember> Parser::member() {
  SfMember member;
  if (take('=')) {
    if (rest_.starts_with('(')) return inner_list();
    std::optional<SfItem> value = item();
    if (!value) return std::nullopt;
    member.value = std::move(*value);
    return member;
  }
  std::optional<Parameters> with = parameters();
  if (!with) return std::nullopt;
  member.value = SfItem{true, std::move(*with)};
  return member;
}

std::optional<SfMember> Parser::inner_list() {  // RFC 9651 4.2.1.2
  if (!take('(')) return std::nullopt;
  std::vector<SfItem> items;
  while (!at_end()) {
    skip_spaces();
    if (take(')')) {
      std::optional<Parameters> with = parameters();
      if (!with) return std::nullopt;
      return SfMember{std::move(items), std::move(*with)};
    }
    std::optional<SfItem> next = item();
    if (!next) return std::nullopt;
    items.push_back(std::move(*next));
    if (!rest_.starts_with(' ') && !rest_.starts_with(')')) return std::nullopt;
  }
  return std::nullopt;
}

std::optional<SfItem> Parser::item() {  // RFC 9651 4.2.3
  std::optional<SfBareItem> value = bare_item();
  if (!value) return std::nullopt;
  std::optional<Parameters> with = parameters();
  if (!with) return std::nullopt;
  return SfItem{std::move(*value), std::move(*with)};
}

std::optional<Parameters> Parser::parameters() {  // RFC 9651 4.2.3.2
  KeyedValues<SfBareItem> values;
  while (take(';')) {
    skip_spaces();
    const auto this_key = key();
    if (!this_key) return std::nullopt;
    std::optional<SfBareItem> value = SfBareItem(true);
    if (take('=')) value = bare_item();
    if (!value) return std::nullopt;
    values.put(*this_key, std::move(*value));
  }
  return values.take();
}

std::optional<std::string_view> Parser::key() {  // RFC 9651 4.2.3.3
  if (at_end() || (!is_lower_alpha(rest_.front()) && rest_.front() != '*')) return std::nullopt;
  return take_while(is_key_char);
}

std::optional<SfBareItem> Parser::bare_item() {  // RFC 9651 4.2.3.1
  if (at_end()) return std::nullopt;
  const char first = rest_.front();
  if (first == '-' || is_digit(first)) return number();
  if (first == '*' || is_alpha(first)) return token();
  switch (first) {
    case '"':
      return string();
    case ':':
      return bytes();
    case '?':
      return boolean();
    case '@':
      return date();
    case '%':
      return display_string();
    default:
      return std::nullopt;
  }
}

std::optional<SfBareItem> Parser::number() {  // RFC 9651 4.2.4
  constexpr std::size_t kIntegerDigits = 15;
  constexpr std::size_t kWholeDigits = 12;
  constexpr std::size_t kFractionDigits = 3;
  const int64_t sign = take('-') ? -1 : 1;
  std::string digits(take_while(is_digit));
  if (digits.empty() || digits.size() > kIntegerDigits) return std::nullopt;
  const bool is_decimal = take('.');
  if (is_decimal) {
    const std::string_view fraction = take_while(is_digit);
    if (digits.size() > kWholeDigits || fraction.empty() || fraction.size() > kFractionDigits) return std::nullopt;
    digits += fraction;
    digits.append(kFractionDigits - fraction.size(), '0');
  }
  int64_t number = 0;  // of 15 digits at most, so that it fits
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (is_decimal) return SfDecimal{sign * number};
  return SfBareItem(sign * number);
}

std::optional<SfBareItem> Parser::string() {  // RFC 9651 4.2.5
  if (!take('"')) return std::nullopt;
  SfString value;
  while (!at_end()) {
    if (take('"')) return value;
    const bool is_escaped = take('\\');
    if (at_end() || (is_escaped && rest_.front() != '"' && rest_.front() != '\\')) return std::nullopt;
    if (rest_.front() != ' ' && !is_in(rest_.front(), kTargetChar)) return std::nullopt;  // VCHAR and SP alone
    value.text += take_bytes(1);
  }
  return std::nullopt;
}

std::optional<SfBareItem> Parser::token() {  // RFC 9651 4.2.6; bare_item has looked at the first
  return SfToken{std::string(take_while(is_token_char))};
}

// RFC 9651 4.2.7: without its padding, or with bits in it that stand for nothing, it SHOULD NOT fail.
std::optional<std::string> decode_leniently(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string padded(text);
  while (padded.size() % 4 != 0) padded += '=';
  const std::size_t padding = padded.ends_with("==") ? 2 : padded.ends_with('=') ? 1 : 0;
  if (padding > 0) {
    char& last = padded[padded.size() - padding - 1];
    const std::size_t digit = kAlphabet.find(last);
    if (digit == std::string_view::npos) return std::nullopt;
    last = kAlphabet[digit & ~((std::size_t{1} << (2 * padding)) - 1)];
  }
  return base64_decode(padded);
}

std::optional<SfBareItem> Parser::bytes() {  // RFC 9651 4.2.7
  if (!take(':')) return std::nullopt;
  const std::string_view text = take_while([](char c) { return c != ':'; });
  if (!take(':')) return std::nullopt;
  std::optional<std::string> decoded = decode_leniently(text);
  if (!decoded) return std::nullopt;
  return SfBytes{std::move(*decoded)};
}

std::optional<SfBareItem> Parser::boolean() {  // RFC 9651 4.2.8
  if (!take('?')) return std::nullopt;
  if (take('1')) return SfBareItem(true);
  if (take('0')) return SfBareItem(false);
  return std::nullopt;
}

std::optional<SfBareItem> Parser::date() {  // RFC 9651 4.2.9
  if (!take('@')) return std::nullopt;
  const std::optional<SfBareItem> value = number();
  const auto* const seconds = value ? std::get_if<int64_t>(&*value) : nullptr;
  if (!seconds) return std::nullopt;
  return SfDate{*seconds};
}

// The hex digits of a display string are lower case, so that there is one way to write it.
int lower_hex_digit_value(char c) {
  return c >= 'A' && c <= 'F' ? -1 : hex_digit_value(c);
}

std::optional<SfBareItem> Parser::display_string() {  // RFC 9651 4.2.10
  if (!take('%') || !take('"')) return std::nullopt;
  SfDisplayString value;
  while (!at_end()) {
    if (take('"')) {
      if (utf8_file_name(value.utf8) != value.utf8) return std::nullopt;  // not valid UTF-8
      return value;
    }
    if (take('%')) {
      const std::string_view digits = take_bytes(2);
      if (digits.size() < 2) return std::nullopt;
      const int high = lower_hex_digit_value(digits[0]);
      const int low = lower_hex_digit_value(digits[1]);
      if (high < 0 || low < 0) return std::nullopt;
      value.utf8 += static_cast<char>(high * 16 + low);
      continue;
    }
    if (rest_.front() != ' ' && !is_in(rest_.front(), kTargetChar)) return std::nullopt;  // VCHAR and SP alone
    value.utf8 += take_bytes(1);
  }
  return std::nullopt;
}

}  // namespace

std::optional<SfItem> parse_sf_item(std::string_view text) {  // RFC 9651 4.2
  Parser parser(text);
  parser.skip_spaces();
  std::optional<SfItem> item = parser.item();
  parser.skip_spaces();
  if (!parser.at_end()) return std::nullopt;
  return item;
}

std::optional<SfDictionary> parse_sf_dictionary(std::string_view text) {  // RFC 9651 4.2
  Parser parser(text);
  parser.skip_spaces();
  std::optional<SfDictionary> dictionary = parser.dictionary();
  parser.skip_spaces();
  if (!parser.at_end()) return std::nullopt;
  return dictionary;
}

std::string format_sf_bytes(std::string_view bytes) {
  return ":" + base64_encode(bytes) + ":";
}

}  // namespace ringdrop::proto
