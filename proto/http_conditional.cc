#include "proto/http_conditional.h"

#include <algorithm>

#include "proto/characters.h"
#include "proto/http_date.h"

namespace ringdrop::proto {
namespace {

struct EntityTag {
  bool weak = false;
  std::string_view opaque;  // with its quotes
};

bool is_entity_tag_char(char c) {  // etagc, RFC 9110 8.8.3: no space, no quote, but a comma and obs-text
  const auto byte = static_cast<unsigned char>(c);
  return byte == 0x21 || (byte >= 0x23 && byte <= 0x7e) || byte >= 0x80;
}

// entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE (RFC 9110 8.8.3), off the front of `text`. The W has a case.
std::optional<EntityTag> take_entity_tag(std::string_view& text) {
  EntityTag tag;
  std::string_view rest = text;
  tag.weak = rest.starts_with("W/");
  if (tag.weak) rest.remove_prefix(2);
  if (!rest.starts_with('"')) return std::nullopt;
  std::size_t end = 1;
  while (end < rest.size() && is_entity_tag_char(rest[end])) ++end;
  if (end == rest.size() || rest[end] != '"') return std::nullopt;
  tag.opaque = rest.substr(0, end + 1);
  text = rest.substr(tag.opaque.size());
  return tag;
}

// RFC 9110 8.8.3.2. Ours is strong, so that the strong comparison asks for theirs to be so.
bool matches(const EntityTag& tag, std::string_view etag, bool strongly) {
  return tag.opaque == etag && !(strongly && tag.weak);
}

// "*" / #entity-tag. Read to the first match or the first error: what stands behind an error is not what anybody meant.
bool list_matches(std::string_view list, std::string_view etag, bool strongly) {
  list = trim_white_space(list);
  if (list == "*") return true;  // of a representation that exists, RFC 9110 13.1.1 and 13.1.2
  while (!list.empty()) {
    if (list.front() == ',' || list.front() == ' ' || list.front() == '\t') {  // RFC 9110 5.6.1.2: empty elements
      list.remove_prefix(1);
      continue;
    }
    const std::optional<EntityTag> tag = take_entity_tag(list);
    if (!tag) return false;
    // A tag that another byte than a separator follows is itself the error.
    const std::size_t gap = std::min(list.find_first_not_of(" \t"), list.size());
    list.remove_prefix(gap);
    if (!list.empty() && list.front() != ',') return false;
    if (matches(*tag, etag, strongly)) return true;
  }
  return false;
}

// RFC 9110 13.1.3, 13.1.4: one that does not parse is ignored, and so are several (joined, they do not parse).
std::optional<int64_t> date_of(const Fields& fields, std::string_view name, int64_t now_s) {
  return parse_http_date(fields.joined(name), now_s);
}

}  // namespace

Precondition evaluate_preconditions(const Fields& fields, const Validators& validators, int64_t now_s) {
  // RFC 9110 13.2.2, steps 1 and 2: If-Unmodified-Since counts only where there is no If-Match.
  if (fields.count("If-Match") > 0) {
    if (!list_matches(fields.joined("If-Match"), validators.etag, true)) return Precondition::failed;
  } else if (const auto date = date_of(fields, "If-Unmodified-Since", now_s)) {
    if (validators.last_modified_s > *date) return Precondition::failed;
  }
  // Steps 3 and 4: the same of If-Modified-Since and If-None-Match.
  if (fields.count("If-None-Match") > 0) {
    if (list_matches(fields.joined("If-None-Match"), validators.etag, false)) return Precondition::not_modified;
  } else if (const auto date = date_of(fields, "If-Modified-Since", now_s)) {
    if (validators.last_modified_s <= *date) return Precondition::not_modified;
  }
  return Precondition::holds;
}

bool range_applies(const Fields& fields, const Validators& validators, int64_t now_s) {
  constexpr int64_t kStrongAfterS = 60;  // a second change within the second of the first is over by then
  if (fields.count("If-Range") == 0) return true;
  const std::string value = fields.joined("If-Range");
  std::string_view rest = value;
  if (const auto tag = take_entity_tag(rest)) return rest.empty() && matches(*tag, validators.etag, true);
  // RFC 9110 13.1.5: equal, not merely later; and RFC 9110 8.8.2.2 for when a date is a strong validator.
  const std::optional<int64_t> date = parse_http_date(value, now_s);
  return date == validators.last_modified_s && validators.last_modified_s <= now_s - kStrongAfterS;
}

}  // namespace ringdrop::proto
