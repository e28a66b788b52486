// Request heads as bytes (RFC 9112 3): request line, fields, the empty line.
#pragma once

#include <string>
#include <string_view>

#include "proto/http_message.h"

namespace ringdrop::proto {

// "PUT /name HTTP/1.1\r\n" + fields + "\r\n". Host and the framing are the caller's to add. A method or name that is no
// token, a target with bytes that must be encoded and a value with a control character are bugs of the caller: CHECK.
std::string format_request_head(std::string_view method, std::string_view target, const Fields& fields);

// Whether a text may be a field's value as it is (RFC 9110 5.5): for what comes from a command line.
bool is_field_value(std::string_view text);

}  // namespace ringdrop::proto
