// Structured field values (RFC 9651): Items and Dictionaries as our fields use them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ringdrop::proto {

// A bare item (RFC 9651 3.3). Distinct types, so that a string, a token and a byte sequence are not mistaken for each
// other.
struct SfDecimal {
  int64_t thousandths = 0;
  bool operator==(const SfDecimal&) const = default;
};
struct SfString {
  std::string text;
  bool operator==(const SfString&) const = default;
};
struct SfToken {
  std::string text;
  bool operator==(const SfToken&) const = default;
};
struct SfBytes {
  std::string bytes;  // decoded
  bool operator==(const SfBytes&) const = default;
};
struct SfDate {
  int64_t epoch_s = 0;
  bool operator==(const SfDate&) const = default;
};
struct SfDisplayString {
  std::string utf8;
  bool operator==(const SfDisplayString&) const = default;
};
using SfBareItem = std::variant<int64_t, SfDecimal, SfString, SfToken, SfBytes, bool, SfDate, SfDisplayString>;

struct SfItem {
  SfBareItem value;
  std::vector<std::pair<std::string, SfBareItem>> parameters;  // a repeated key: the last value, at its first place
};

// A member of a dictionary: an item, or an inner list of items.
struct SfMember {
  std::variant<SfItem, std::vector<SfItem>> value;
  std::vector<std::pair<std::string, SfBareItem>> inner_list_parameters;
};
using SfDictionary = std::vector<std::pair<std::string, SfMember>>;  // as above: the last value, at its first place

// The whole of `text` (several field lines joined by ", "), parsed as RFC 9651 4.2 says; nullopt on any failure, when
// the field is to be ignored or refused as a whole. An empty dictionary is legal, an empty item is not.
std::optional<SfItem> parse_sf_item(std::string_view text);
std::optional<SfDictionary> parse_sf_dictionary(std::string_view text);

// For a member that is a plain item: its value when it has that type.
template <class T>
const T* sf_value(const SfMember& member) {
  const SfItem* const item = std::get_if<SfItem>(&member.value);
  return item ? std::get_if<T>(&item->value) : nullptr;
}

// ":aGVsbG8=:" (4.1.8).
std::string format_sf_bytes(std::string_view bytes);

}  // namespace ringdrop::proto
