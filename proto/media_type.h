// Media types (RFC 9110 8.3) and what a client accepts (12.5.1). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringdrop::proto {

struct MediaType {
  std::string type;                                             // lower case: "multipart/form-data"
  std::vector<std::pair<std::string, std::string>> parameters;  // names in lower case; quoted values unquoted

  // The first parameter of that (lower-case) name.
  std::optional<std::string_view> parameter(std::string_view name) const;
};

// type/subtype *( OWS ";" OWS [ name=value ] ), tokens and quoted strings. nullopt for anything else. A duplicate
// parameter: the first counts.
std::optional<MediaType> parse_media_type(std::string_view text);

// Whether a Content-Type names `type` ("text/html"), whatever its case and parameters.
bool is_type(std::string_view content_type, std::string_view type);

// The quality in thousandths (0..1000) that the Accept field `accept` gives to `type` ("text/html"): the most specific
// range that matches (type/subtype, type/*, */*; parameters other than q make a range not match). 1000 for an empty
// field; 0 when nothing matches. Elements that do not parse are skipped.
int accept_quality(std::string_view accept, std::string_view type);

// Whether `accept` names the type itself ("application/json", not by a wildcard) with a quality above 0.
bool accepts_by_name(std::string_view accept, std::string_view type);

}  // namespace ringdrop::proto
