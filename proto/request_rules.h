// What a request must keep beyond its grammar: the target's form, Host, the body's framing, Expect,
// Connection (RFC 9110 7.2, 9.3.6, 10.1.1; RFC 9112 3.2, 6, 9.3). Asked of the whole head, and
// trusting no parser.
#pragma once

#include <expected>

#include "proto/http_message.h"

namespace ringdrop::proto {

// Takes a head with method, target, minor_version and fields, and fills in path, query, host,
// keep_alive, expects_continue, framing and content_length. Refusals:
//   400 bad_request         the target's form, the framing, content in a CONNECT
//   400 bad_host            no Host, more than one, an invalid one
//   417 expectation_failed  an Expect that is not 100-continue
//   501 unsupported_coding  a transfer coding besides chunked, well framed
std::expected<void, Rejection> apply_request_rules(RequestHead& head);

}  // namespace ringdrop::proto
