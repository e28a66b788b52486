// What a proxy says of the request it passed on: Forwarded (RFC 7239), X-Forwarded-Proto and -Host. Pure: whether the
// proxy is to be believed is the caller's to know.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proto/http_message.h"

namespace ringdrop::proto {

// How the client reached the proxy nearest to us.
struct ForwardedOrigin {
  std::string scheme;  // "http", "https" or "" when not told
  std::string host;    // is_valid_host, or "" when not told
};

// From the last element of Forwarded (the nearest proxy adds its own at the end); where Forwarded is absent, the last
// values of X-Forwarded-Proto and X-Forwarded-Host. A value that is no scheme of ours or no valid host counts as not
// told, and so does a Forwarded that does not parse. Parameter names and schemes without regard to case; quoted strings
// unquoted.
ForwardedOrigin forwarded_origin(const Fields& fields);

}  // namespace ringdrop::proto
