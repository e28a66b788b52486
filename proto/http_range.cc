#include "proto/http_range.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <system_error>

#include "proto/characters.h"
#include "proto/http_message.h"

namespace ringdrop::proto {
namespace {

std::size_t digits_at_front(std::string_view text) {
  return static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_digit) - text.begin());
}

std::string_view without_leading_zeros(std::string_view digits) {
  return digits.substr(std::min(digits.find_first_not_of('0'), digits.size()));
}

// 1*DIGIT of any length: what does not fit is behind the end of whatever there is, and so is the greatest number.
uint64_t number_or_greatest(std::string_view digits) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() ? number : std::numeric_limits<uint64_t>::max();
}

// On the digits, since both numbers may be too large for a number.
bool is_less(std::string_view digits, std::string_view than_digits) {
  const std::string_view a = without_leading_zeros(digits);
  const std::string_view b = without_leading_zeros(than_digits);
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

// int-range = first-pos "-" [ last-pos ], suffix-range = "-" suffix-length (RFC 9110 14.1.1, 14.1.2).
struct RangeSpec {
  std::string_view first;  // "" in a suffix
  std::string_view last;   // the length of a suffix; "" for up to the end
};

std::optional<RangeSpec> parse_range_spec(std::string_view text) {
  const std::size_t dash = digits_at_front(text);
  if (dash == text.size() || text[dash] != '-') return std::nullopt;
  const RangeSpec spec{text.substr(0, dash), text.substr(dash + 1)};
  if (digits_at_front(spec.last) != spec.last.size()) return std::nullopt;
  if (spec.first.empty() && spec.last.empty()) return std::nullopt;
  // RFC 9110 14.1.1: an int-range is invalid if the last-pos is less than the first-pos.
  const bool is_closed = !spec.first.empty() && !spec.last.empty();
  if (is_closed && is_less(spec.last, spec.first)) return std::nullopt;
  return spec;
}

// nullopt when not one byte of it exists.
std::optional<ByteRange> satisfy(const RangeSpec& spec, uint64_t size_bytes) {
  if (size_bytes == 0) return std::nullopt;
  const uint64_t end = size_bytes - 1;
  if (spec.first.empty()) {
    const uint64_t length = number_or_greatest(spec.last);
    if (length == 0) return std::nullopt;
    // RFC 9110 14.1.2: shorter than the suffix, then the whole of it.
    return ByteRange{size_bytes - std::min(length, size_bytes), end};
  }
  const uint64_t first = number_or_greatest(spec.first);
  if (first > end) return std::nullopt;
  return ByteRange{first, spec.last.empty() ? end : std::min(number_or_greatest(spec.last), end)};
}

// Joins the ranges that overlap or touch (RFC 9110 14.2, 17.15); each group stands where its first member stood.
std::vector<ByteRange> join(const std::vector<ByteRange>& ranges) {
  struct Placed {
    ByteRange range;
    std::size_t place;
  };
  std::vector<Placed> sorted;
  sorted.reserve(ranges.size());
  for (const ByteRange& range : ranges) sorted.push_back({range, sorted.size()});
  std::sort(sorted.begin(), sorted.end(),
            [](const Placed& a, const Placed& b) { return a.range.first < b.range.first; });

  std::vector<Placed> groups;
  for (const Placed& next : sorted) {
    // last is less than the size, so last + 1 is a number.
    if (groups.empty() || next.range.first > groups.back().range.last + 1) {
      groups.push_back(next);
      continue;
    }
    Placed& group = groups.back();
    group.range.last = std::max(group.range.last, next.range.last);
    group.place = std::min(group.place, next.place);
  }
  std::sort(groups.begin(), groups.end(), [](const Placed& a, const Placed& b) { return a.place < b.place; });

  std::vector<ByteRange> joined;
  joined.reserve(groups.size());
  for (const Placed& group : groups) joined.push_back(group.range);
  return joined;
}

// range-set = 1#range-spec: the satisfiable ones in their order, or nullopt when there is none or one does not parse.
// RFC 9110 14.2 allows to ignore a Range that is invalid; to answer a part of it would be to guess.
std::optional<std::vector<ByteRange>> parse_range_set(std::string_view set, uint64_t size_bytes) {
  std::vector<ByteRange> satisfiable;
  bool any = false;
  while (!set.empty()) {
    const std::size_t comma = std::min(set.find(','), set.size());
    const std::string_view element = trim_white_space(set.substr(0, comma));
    set.remove_prefix(std::min(comma + 1, set.size()));
    if (element.empty()) continue;  // RFC 9110 5.6.1.2
    const std::optional<RangeSpec> spec = parse_range_spec(element);
    if (!spec) return std::nullopt;
    any = true;
    if (const auto range = satisfy(*spec, size_bytes)) satisfiable.push_back(*range);
  }
  if (!any) return std::nullopt;
  return satisfiable;
}

void append_range(std::string& text, const ByteRange& range, uint64_t size_bytes) {
  text += "bytes ";
  text += std::to_string(range.first);
  text += '-';
  text += std::to_string(range.last);
  text += '/';
  text += std::to_string(size_bytes);
}

}  // namespace

RangeSelection select_ranges(std::string_view field, uint64_t size_bytes) {
  constexpr std::string_view kUnit = "bytes";  // without regard to case, RFC 9110 14.1
  if (!equals_ignoring_case(field.substr(0, kUnit.size()), kUnit)) return {};
  field.remove_prefix(kUnit.size());
  if (!field.starts_with('=')) return {};
  const auto satisfiable = parse_range_set(field.substr(1), size_bytes);
  if (!satisfiable) return {};
  if (satisfiable->empty()) return {RangeSelection::Kind::unsatisfiable, {}};
  std::vector<ByteRange> joined = join(*satisfiable);
  if (joined.size() > kMostRanges) return {};
  return {RangeSelection::Kind::ranges, std::move(joined)};
}

std::string format_content_range(const ByteRange& range, uint64_t size_bytes) {
  std::string text;
  append_range(text, range, size_bytes);
  return text;
}

std::string format_unsatisfied_range(uint64_t size_bytes) {
  return "bytes */" + std::to_string(size_bytes);
}

std::string format_part_head(std::string_view boundary, std::string_view content_type, const ByteRange& range,
                             uint64_t size_bytes, bool first) {
  std::string head = first ? "--" : "\r\n--";  // the CRLF belongs to the delimiter, RFC 2046 5.1.1
  head += boundary;
  head += "\r\nContent-Type: ";
  head += content_type;
  head += "\r\nContent-Range: ";
  append_range(head, range, size_bytes);
  head += "\r\n\r\n";
  return head;
}

std::string format_parts_end(std::string_view boundary) {
  std::string end = "\r\n--";
  end += boundary;
  end += "--\r\n";
  return end;
}

// By making the heads, of which there are few, so that the length cannot differ from what is sent.
uint64_t parts_length_bytes(std::string_view boundary, std::string_view content_type,
                            const std::vector<ByteRange>& ranges, uint64_t size_bytes) {
  uint64_t length = format_parts_end(boundary).size();
  bool first = true;
  for (const ByteRange& range : ranges) {
    length += format_part_head(boundary, content_type, range, size_bytes, first).size() + range.length_bytes();
    first = false;
  }
  return length;
}

}  // namespace ringdrop::proto
