#include "proto/request_rules.h"

#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "proto/characters.h"
#include "proto/uri.h"

namespace ringdrop::proto {
namespace {

using Checked = std::expected<void, Rejection>;

std::unexpected<Rejection> bad_request(const char* reason) {
  return std::unexpected(Rejection{400, "bad_request", reason});
}

std::unexpected<Rejection> bad_host(const char* reason) {
  return std::unexpected(Rejection{400, "bad_host", reason});
}

// Exactly one Host for HTTP/1.1, at most one for HTTP/1.0, and a valid one (RFC 9112 3.2). Also
// when the target's own authority replaces it.
Checked apply_host(RequestHead& head) {
  const std::size_t count = head.fields.count("Host");
  if (count > 1) return bad_host("there is more than one Host field");
  if (count == 0) {
    if (head.minor_version == 0) return {};
    return bad_host("the Host field is missing");
  }
  const std::string_view host = *head.fields.find("Host");
  if (!is_valid_host(host)) return bad_host("the Host field is not a host with an optional port");
  head.host = host;
  return {};
}

void set_path_and_query(RequestHead& head, std::string_view path_and_query) {
  const std::size_t question = path_and_query.find('?');
  head.path = path_and_query.substr(0, question);
  if (question != std::string_view::npos) head.query = path_and_query.substr(question + 1);
  if (head.path.empty()) head.path = "/";  // RFC 9110 4.2.3
}

// Length of "http://" or "https://" at the front, 0 when it is neither.
std::size_t scheme_length(std::string_view target) {
  for (const std::string_view scheme : {std::string_view("http://"), std::string_view("https://")}) {
    if (equals_ignoring_case(target.substr(0, scheme.size()), scheme)) return scheme.size();
  }
  return 0;
}

// RFC 9112 3.2.2. The authority replaces the Host field.
Checked apply_absolute_form(RequestHead& head) {
  std::string_view rest = head.target;
  const std::size_t scheme = scheme_length(rest);
  if (scheme == 0) return bad_request("the request target is neither a path nor an http or https URL");
  rest.remove_prefix(scheme);
  const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, authority_end);
  if (!is_valid_host(authority)) {
    return bad_host("the authority of the request target is not a host with an optional port");
  }
  head.host = authority;
  rest.remove_prefix(authority_end);
  if (head.method == Method::options && rest.empty()) {
    head.path = "*";  // RFC 9112 3.2.4: it is what the last proxy would have sent
  } else {
    set_path_and_query(head, rest);
  }
  return {};
}

// RFC 9112 3.2: origin, absolute, authority and asterisk form.
Checked apply_target(RequestHead& head) {
  const std::string_view target = head.target;
  if (target.find('#') != std::string_view::npos) return bad_request("the request target has a fragment");
  if (head.method == Method::connect) {
    // RFC 9110 9.3.6: host and port, and no content.
    if (!is_valid_host(target) || target.back() == ']' || target.find(':') == std::string_view::npos) {
      return bad_request("the target of a CONNECT is not a host and a port");
    }
    head.host = target;
    return {};
  }
  if (target.starts_with('/')) {
    set_path_and_query(head, target);
    return {};
  }
  if (target == "*") {
    if (head.method != Method::options) return bad_request("the target * is for OPTIONS only");
    head.path = "*";
    return {};
  }
  return apply_absolute_form(head);
}

// Whether `value` is a list of transfer codings that ends in its only `chunked`: another coding,
// but the body's end is clear (RFC 9112 6.1).
bool ends_in_chunked(std::string_view value) {
  while (true) {
    const std::size_t comma = value.find(',');
    const std::string_view coding = trim_white_space(value.substr(0, comma));
    if (!is_token(trim_white_space(coding.substr(0, coding.find(';'))))) return false;
    const bool chunked = equals_ignoring_case(coding, "chunked");
    if (comma == std::string_view::npos) return chunked;
    if (chunked) return false;
    value.remove_prefix(comma + 1);
  }
}

Checked apply_transfer_encoding(RequestHead& head) {
  // RFC 9112 6.1: an HTTP/1.0 client cannot mean it, somebody on the way got the framing wrong.
  if (head.minor_version == 0) return bad_request("an HTTP/1.0 request has a Transfer-Encoding");
  if (head.fields.count("Content-Length") > 0) {
    return bad_request("the request has both Transfer-Encoding and Content-Length");  // RFC 9112 6.3, smuggling
  }
  if (head.fields.count("Transfer-Encoding") > 1) return bad_request("there is more than one Transfer-Encoding field");
  const std::string_view value = *head.fields.find("Transfer-Encoding");
  if (equals_ignoring_case(value, "chunked")) {
    head.framing = BodyFraming::chunked;
    return {};
  }
  if (!ends_in_chunked(value)) return bad_request("Transfer-Encoding does not end in one chunked");  // RFC 9112 6.3
  return std::unexpected(Rejection{501, "unsupported_coding", "the only transfer coding known here is chunked"});
}

// RFC 9112 6.2 allows a repeated equal value to be taken as one; 6.3 allows to refuse it, which no
// parser can mistake.
Checked apply_content_length(RequestHead& head) {
  if (head.fields.count("Content-Length") > 1) return bad_request("there is more than one Content-Length field");
  const std::string_view value = *head.fields.find("Content-Length");
  constexpr std::size_t kMostDigits = std::numeric_limits<int64_t>::digits10 + 1;  // 19: up to 2^63 - 1
  static_assert(kMostDigits == 19);
  uint64_t length = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
  if (value.empty() || value.size() > kMostDigits || error != std::errc() || end != value.data() + value.size() ||
      length > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return bad_request("Content-Length is not a decimal number below 2^63");
  }
  head.framing = BodyFraming::content_length;
  head.content_length = length;
  return {};
}

// RFC 9112 6.3: neither field means no content in a request.
Checked apply_framing(RequestHead& head) {
  Checked checked;
  if (head.fields.count("Transfer-Encoding") > 0) {
    checked = apply_transfer_encoding(head);
  } else if (head.fields.count("Content-Length") > 0) {
    checked = apply_content_length(head);
  }
  if (!checked) return checked;
  if (head.method == Method::connect && (head.framing == BodyFraming::chunked || head.content_length > 0)) {
    return bad_request("a CONNECT request has no content");
  }
  return {};
}

// RFC 9110 10.1.1: 100-continue is the only expectation there is; a server ignores it in HTTP/1.0.
Checked apply_expect(RequestHead& head) {
  if (head.minor_version == 0) return {};
  const std::string expect = head.fields.joined("Expect");
  std::string_view rest = expect;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view member = trim_white_space(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (member.empty()) continue;  // RFC 9110 5.6.1.2
    if (!equals_ignoring_case(member, "100-continue")) {
      return std::unexpected(Rejection{417, "expectation_failed", "the only expectation known here is 100-continue"});
    }
    head.expects_continue = true;
  }
  return {};
}

// RFC 9112 9.3: HTTP/1.1 goes on unless told to close, HTTP/1.0 only when asked to.
void apply_connection(RequestHead& head) {
  const std::string connection = head.fields.joined("Connection");
  const bool close = list_contains(connection, "close");
  head.keep_alive = !close && (head.minor_version > 0 || list_contains(connection, "keep-alive"));
}

}  // namespace

std::expected<void, Rejection> apply_request_rules(RequestHead& head) {
  // Framing first: what makes the end of the request uncertain outweighs everything else.
  for (const auto rule : {apply_framing, apply_host, apply_target, apply_expect}) {
    if (const Checked checked = rule(head); !checked) return checked;
  }
  apply_connection(head);
  return {};
}

}  // namespace ringdrop::proto
