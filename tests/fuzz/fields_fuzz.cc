// Any bytes to what reads the values of fields: ranges, preconditions, media types, what a proxy tells, base64,
// structured fields.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "proto/base64.h"
#include "proto/characters.h"
#include "proto/forwarded.h"
#include "proto/http_conditional.h"
#include "proto/http_message.h"
#include "proto/http_range.h"
#include "proto/media_type.h"
#include "proto/structured_fields.h"
#include "proto/uri.h"
#include "tests/fuzz/require.h"

namespace ringdrop::proto {
namespace {

void check_ranges_of(const std::vector<ByteRange>& ranges, uint64_t size_bytes) {
  constexpr std::string_view kBoundary = "boundary";
  constexpr std::string_view kType = "text/plain";
  REQUIRE_THAT(!ranges.empty() && ranges.size() <= kMostRanges);
  uint64_t length = 0;
  bool first = true;
  for (const ByteRange& range : ranges) {
    REQUIRE_THAT(range.first <= range.last && range.last < size_bytes);
    const std::string head = format_part_head(kBoundary, kType, range, size_bytes, first);
    REQUIRE_THAT(head.starts_with(first ? "--boundary\r\n" : "\r\n--boundary\r\n") && head.ends_with("\r\n\r\n"));
    REQUIRE_THAT(head.find(format_content_range(range, size_bytes)) != std::string::npos);
    length += head.size() + range.length_bytes();
    first = false;
  }
  length += format_parts_end(kBoundary).size();
  REQUIRE_THAT(parts_length_bytes(kBoundary, kType, ranges, size_bytes) == length);

  std::vector<ByteRange> sorted = ranges;
  std::sort(sorted.begin(), sorted.end(), [](const ByteRange& a, const ByteRange& b) { return a.first < b.first; });
  for (std::size_t i = 1; i < sorted.size(); ++i) REQUIRE_THAT(sorted[i].first > sorted[i - 1].last + 1);

  // What was selected, asked for again, is the same.
  std::string again = "bytes=";
  for (const ByteRange& range : ranges) again += std::to_string(range.first) + "-" + std::to_string(range.last) + ",";
  REQUIRE_THAT(select_ranges(again, size_bytes).ranges == ranges);
}

void check_range(std::string_view text, uint64_t some_size) {
  for (const std::string& field : {std::string(text), "bytes=" + std::string(text)}) {
    for (const uint64_t size_bytes : {uint64_t{0}, uint64_t{1}, uint64_t{100}, some_size, UINT64_MAX}) {
      const RangeSelection selection = select_ranges(field, size_bytes);
      REQUIRE_THAT((selection.kind == RangeSelection::Kind::ranges) == !selection.ranges.empty());
      if (!selection.ranges.empty()) check_ranges_of(selection.ranges, size_bytes);
    }
    REQUIRE_THAT(select_ranges(field, 0).kind != RangeSelection::Kind::ranges);
  }
}

bool is_opaque_tag(std::string_view text) {
  return text.size() >= 2 && text.starts_with('"') && text.ends_with('"') &&
         std::all_of(text.begin() + 1, text.end() - 1,
                     [](char c) { return c != '"' && c != ' ' && c != '\t' && is_in(c, kValueChar); });
}

void check_conditional(std::string_view text, int64_t now_s) {
  now_s /= 2;  // far enough from the ends to subtract from
  const Validators validators{.etag = "\"a\"", .last_modified_s = 784'903'526};
  for (const std::string_view name : {"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"}) {
    Fields fields;
    fields.add(name, text);
    const Precondition precondition = evaluate_preconditions(fields, validators, now_s);
    const bool refuses = name == "If-Match" || name == "If-Unmodified-Since";
    REQUIRE_THAT(precondition != (refuses ? Precondition::not_modified : Precondition::failed));
    // A tag that is not named does not match, and a date without digits is none.
    const bool may_matter = text.find_first_of("*\"0123456789") != std::string_view::npos;
    if (!may_matter) REQUIRE_THAT((precondition == Precondition::holds) == (name != "If-Match"));

    // With a list that matches in front, what follows cannot undo it.
    if (!name.ends_with("Match")) continue;
    Fields in_front;
    in_front.add(name, "\"a\"");
    in_front.add(name, text);
    REQUIRE_THAT(evaluate_preconditions(in_front, validators, now_s) ==
                 (refuses ? Precondition::holds : Precondition::not_modified));
  }

  Fields fields;
  fields.add("If-Range", text);
  if (range_applies(fields, validators, now_s)) REQUIRE_THAT(text == validators.etag || text.size() >= 24);
  const Validators same{.etag = std::string(text), .last_modified_s = 0};
  if (is_opaque_tag(text)) REQUIRE_THAT(range_applies(fields, same, now_s));
}

void check_media_type(std::string_view text) {
  if (const auto parsed = parse_media_type(text)) {
    std::string written = parsed->type;
    for (const auto& [name, value] : parsed->parameters) {
      REQUIRE_THAT(is_token(name));
      written += "; " + name + "=\"";
      for (const char c : value) {
        if (c == '"' || c == '\\') written += '\\';
        written += c;
      }
      written += '"';
    }
    const auto again = parse_media_type(written);
    REQUIRE_THAT(again && again->type == parsed->type && again->parameters == parsed->parameters);
    if (parsed->parameters.empty()) REQUIRE_THAT(accept_quality(parsed->type, parsed->type) == 1000);
  }
  const int quality = accept_quality(text, "text/html");
  REQUIRE_THAT(quality >= 0 && quality <= 1000);
  if (accepts_by_name(text, "text/html")) REQUIRE_THAT(quality > 0);
  // A range in front, outside of whatever quotes follow, counts.
  REQUIRE_THAT(accepts_by_name("text/html," + std::string(text), "text/html"));
}

void check_forwarded(std::string_view text) {
  for (const std::string_view name : {"Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto"}) {
    Fields fields;
    fields.add(name, text);
    const ForwardedOrigin origin = forwarded_origin(fields);
    REQUIRE_THAT(origin.host.empty() || is_valid_host(origin.host));
    REQUIRE_THAT(origin.scheme.empty() || origin.scheme == "http" || origin.scheme == "https");
  }
  // Of what a client sent before, nothing is taken for what the proxy says.
  Fields fields;
  fields.add("Forwarded", text);
  fields.add("Forwarded", "for=\"_a\";proto=https;host=\"proxy.example\"");
  const ForwardedOrigin origin = forwarded_origin(fields);
  REQUIRE_THAT(origin.host == (origin.scheme.empty() ? "" : "proxy.example"));
  REQUIRE_THAT(origin.scheme.empty() || origin.scheme == "https");
}

void check_base64(std::string_view text) {
  const std::string encoded = base64_encode(text);
  REQUIRE_THAT(encoded.size() == (text.size() + 2) / 3 * 4);
  REQUIRE_THAT(base64_decode(encoded) == text);
  if (const auto decoded = base64_decode(text)) REQUIRE_THAT(base64_encode(*decoded) == text);
  const auto item = parse_sf_item(format_sf_bytes(text));
  REQUIRE_THAT(item && item->value == SfBareItem(SfBytes{std::string(text)}));
}

void check_bare_item(const SfBareItem& value) {
  constexpr int64_t kMost = 999'999'999'999'999;
  const auto is_visible = [](char c) { return c >= 0x20 && c < 0x7f; };
  if (const auto* number = std::get_if<int64_t>(&value)) REQUIRE_THAT(*number >= -kMost && *number <= kMost);
  if (const auto* decimal = std::get_if<SfDecimal>(&value)) {
    REQUIRE_THAT(decimal->thousandths >= -kMost && decimal->thousandths <= kMost);
  }
  if (const auto* date = std::get_if<SfDate>(&value)) REQUIRE_THAT(date->epoch_s >= -kMost && date->epoch_s <= kMost);
  if (const auto* string = std::get_if<SfString>(&value)) {
    REQUIRE_THAT(std::all_of(string->text.begin(), string->text.end(), is_visible));
  }
  if (const auto* token = std::get_if<SfToken>(&value)) {
    REQUIRE_THAT(!token->text.empty());
    REQUIRE_THAT(parse_sf_item(token->text)->value == value);
  }
}

void check_parameters(const std::vector<std::pair<std::string, SfBareItem>>& parameters) {
  for (const auto& [key, value] : parameters) {
    REQUIRE_THAT(!key.empty());
    check_bare_item(value);
  }
}

void check_item(const SfItem& item) {
  check_bare_item(item.value);
  check_parameters(item.parameters);
}

void check_structured_fields(std::string_view text) {
  if (const auto item = parse_sf_item(text)) {
    check_item(*item);
    // What is an item is the value of a member, and an element of an inner list.
    REQUIRE_THAT(parse_sf_item(trim_white_space(text)).has_value());
    const auto in_list = parse_sf_dictionary("a=(" + std::string(text) + ")");
    REQUIRE_THAT(in_list && in_list->size() == 1);
  }
  const auto dictionary = parse_sf_dictionary(text);
  if (!dictionary) return;
  std::vector<std::string_view> keys;
  for (const auto& [key, member] : *dictionary) {
    keys.push_back(key);
    if (const auto* item = std::get_if<SfItem>(&member.value)) {
      check_item(*item);
      REQUIRE_THAT(member.inner_list_parameters.empty());
    } else {
      for (const SfItem& element : std::get<std::vector<SfItem>>(member.value)) check_item(element);
      check_parameters(member.inner_list_parameters);
    }
  }
  std::sort(keys.begin(), keys.end());
  REQUIRE_THAT(std::adjacent_find(keys.begin(), keys.end()) == keys.end());
  // Another line of the same field is more of the dictionary.
  if (!keys.empty()) REQUIRE_THAT(parse_sf_dictionary(std::string(text) + ", a=1").has_value());
}

}  // namespace
}  // namespace ringdrop::proto

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace ringdrop::proto;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  uint64_t number = 0;
  std::memcpy(&number, data, std::min(size, sizeof(number)));
  check_range(text, number);
  check_conditional(text, static_cast<int64_t>(number));
  check_media_type(text);
  check_forwarded(text);
  check_base64(text);
  check_structured_fields(text);
  return 0;
}
