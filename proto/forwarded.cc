#include "proto/forwarded.h"

#include <utility>

#include "proto/characters.h"
#include "proto/field_scanner.h"
#include "proto/uri.h"

namespace ringdrop::proto {
namespace {

// What is no scheme of ours and what is no host counts as not told.
ForwardedOrigin checked(std::string_view scheme, std::string_view host) {
  ForwardedOrigin origin;
  for (const std::string_view ours : {"http", "https"}) {
    if (equals_ignoring_case(scheme, ours)) origin.scheme = ours;  // RFC 3986 3.1: schemes have no case
  }
  if (is_valid_host(host)) origin.host = host;
  return origin;
}

// forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] ), RFC 7239 4.
struct Element {
  std::optional<std::string> proto;
  std::optional<std::string> host;
  bool any = false;  // has a pair
};

// forwarded-pair = token "=" value, into `element`. False when it does not parse.
bool take_pair(FieldScanner& scanner, Element& element) {
  const std::string_view name = scanner.take_token();
  if (name.empty() || !scanner.take('=')) return false;
  std::optional<std::string> value = scanner.take_parameter_value();
  if (!value) return false;
  element.any = true;
  std::optional<std::string>* const slot = equals_ignoring_case(name, "proto")  ? &element.proto
                                           : equals_ignoring_case(name, "host") ? &element.host
                                                                                : nullptr;
  if (!slot) return true;
  if (*slot) return false;  // RFC 7239 4: a parameter occurs once; which of the two would be a guess
  *slot = std::move(value);
  return true;
}

// Up to the comma that ends it, or to the end. White space around ";" is not in the grammar, yet proxies send it.
std::optional<Element> take_element(FieldScanner& scanner) {
  Element element;
  while (true) {
    scanner.skip_white_space();
    if (scanner.at_end() || scanner.take(',')) return element;
    if (scanner.take(';')) continue;
    if (!take_pair(scanner, element)) return std::nullopt;
    scanner.skip_white_space();
    const bool ends_here = scanner.at_end() || scanner.rest().front() == ',' || scanner.rest().front() == ';';
    if (!ends_here) return std::nullopt;
  }
}

// The whole field has to parse: in one that does not, a client may have hidden the end of what the proxy wrote behind a
// quote of its own.
ForwardedOrigin origin_of_forwarded(std::string_view field) {
  FieldScanner scanner(field);
  Element last;
  while (!scanner.at_end()) {
    std::optional<Element> element = take_element(scanner);
    if (!element) return {};
    if (element->any) last = std::move(*element);  // RFC 9110 5.6.1.2: empty elements do not count
  }
  return checked(last.proto.value_or(""), last.host.value_or(""));
}

// An empty last value is what the nearest proxy told, so that one before it does not count.
std::string_view last_value(std::string_view list) {
  const std::size_t comma = list.rfind(',');
  return trim_white_space(comma == std::string_view::npos ? list : list.substr(comma + 1));
}

}  // namespace

ForwardedOrigin forwarded_origin(const Fields& fields) {
  if (fields.count("Forwarded") > 0) return origin_of_forwarded(fields.joined("Forwarded"));
  const std::string scheme = fields.joined("X-Forwarded-Proto");
  const std::string host = fields.joined("X-Forwarded-Host");
  return checked(last_value(scheme), last_value(host));
}

}  // namespace ringdrop::proto
