// The datagram by which a service tells its manager how it is (sd_notify(3), without libsystemd).
#pragma once

#include <string>
#include <string_view>

namespace ringdrop::io {

// Sends `text` as one datagram to the Unix socket at `path` ('@' first: abstract). Never waits; false when it did not
// leave.
bool send_notification(const std::string& path, std::string_view text);

}  // namespace ringdrop::io
