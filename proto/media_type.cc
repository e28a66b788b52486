#include "proto/media_type.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "proto/characters.h"
#include "proto/field_scanner.h"
#include "proto/http_message.h"

namespace ringdrop::proto {
namespace {

std::string lower(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), ascii_lower);
  return lowered;
}

// qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ), RFC 9110 12.4.2, in thousandths.
std::optional<int> parse_quality(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text.front() != '0' && text.front() != '1')) return std::nullopt;
  if (text.size() > 1 && text[1] != '.') return std::nullopt;
  int quality = (text.front() - '0') * 1000;
  int place = 100;
  for (const char c : text.substr(std::min<std::size_t>(2, text.size()))) {
    if (!is_digit(c)) return std::nullopt;
    quality += (c - '0') * place;
    place /= 10;
  }
  if (quality > 1000) return std::nullopt;
  return quality;
}

// The element at the front of a list, up to a comma that stands in no quoted string; both go from `list`.
std::string_view take_element(std::string_view& list) {
  bool quoted = false;
  std::size_t end = 0;
  for (; end < list.size(); ++end) {
    const char c = list[end];
    if (c == ',' && !quoted) break;
    if (c == '"') quoted = !quoted;
    if (c == '\\' && quoted && end + 1 < list.size()) ++end;
  }
  const std::string_view element = trim_white_space(list.substr(0, end));
  list.remove_prefix(std::min(end + 1, list.size()));
  return element;
}

// How closely a media-range of Accept describes a type (RFC 9110 12.5.1).
enum class Closeness : uint8_t { none, any, same_type, exact };

Closeness closeness(std::string_view range, std::string_view type) {
  if (equals_ignoring_case(range, type)) return Closeness::exact;
  if (range == "*/*") return Closeness::any;
  if (!range.ends_with("/*")) return Closeness::none;
  const std::string_view main_type = range.substr(0, range.size() - 2);
  return equals_ignoring_case(type.substr(0, type.find('/')), main_type) ? Closeness::same_type : Closeness::none;
}

struct Acceptance {
  Closeness closeness = Closeness::none;
  int quality = 0;  // of those that are equally close the highest
};

Acceptance acceptance(std::string_view accept, std::string_view type) {
  Acceptance best;
  while (!accept.empty()) {
    const std::optional<MediaType> range = parse_media_type(take_element(accept));
    if (!range) continue;
    // The types that we send have no parameters, so that a range with some describes none of them.
    const bool has_others = std::any_of(range->parameters.begin(), range->parameters.end(),
                                        [](const auto& parameter) { return parameter.first != "q"; });
    if (has_others) continue;
    const std::optional<int> quality = parse_quality(range->parameter("q").value_or("1"));
    if (!quality) continue;
    const Closeness how_close = closeness(range->type, type);
    if (how_close > best.closeness) {
      best = {how_close, *quality};
    } else if (how_close == best.closeness && how_close != Closeness::none) {
      best.quality = std::max(best.quality, *quality);
    }
  }
  return best;
}

}  // namespace

std::optional<std::string_view> MediaType::parameter(std::string_view name) const {
  for (const auto& [key, value] : parameters) {
    if (key == name) return value;
  }
  return std::nullopt;
}

// media-type = type "/" subtype parameters, RFC 9110 8.3.1; parameters = *( OWS ";" OWS [ parameter ] ), 5.6.6.
std::optional<MediaType> parse_media_type(std::string_view text) {
  FieldScanner scanner(text);
  const std::string_view type = scanner.take_token();
  if (type.empty() || !scanner.take('/')) return std::nullopt;
  const std::string_view subtype = scanner.take_token();
  if (subtype.empty()) return std::nullopt;
  MediaType media_type;
  media_type.type = lower(text.substr(0, type.size() + 1 + subtype.size()));
  while (!scanner.at_end()) {
    scanner.skip_white_space();
    if (!scanner.take(';')) return std::nullopt;
    scanner.skip_white_space();
    const std::string_view name = scanner.take_token();
    if (name.empty()) continue;  // nothing, or what is no ';' and fails above
    if (!scanner.take('=')) return std::nullopt;
    std::optional<std::string> value = scanner.take_parameter_value();
    if (!value) return std::nullopt;
    media_type.parameters.emplace_back(lower(name), std::move(*value));
  }
  return media_type;
}

bool is_type(std::string_view content_type, std::string_view type) {
  const std::optional<MediaType> parsed = parse_media_type(content_type);
  return parsed && parsed->type == type;
}

int accept_quality(std::string_view accept, std::string_view type) {
  if (trim_white_space(accept).empty()) return 1000;  // RFC 9110 12.5.1: no Accept accepts anything
  return acceptance(accept, type).quality;
}

bool accepts_by_name(std::string_view accept, std::string_view type) {
  const Acceptance best = acceptance(accept, type);
  return best.closeness == Closeness::exact && best.quality > 0;
}

}  // namespace ringdrop::proto
