// Content-Disposition of a download (RFC 6266, RFC 8187).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ringdrop::proto {

enum class Disposition : uint8_t { inline_, attachment };

// `attachment; filename="ascii fallback"; filename*=UTF-8''percent-encoded`. An empty name gives
// the bare type. The filename* is left out when the name is plain ASCII that the quoted form
// carries unchanged.
std::string format_content_disposition(Disposition disposition, std::string_view name);

}  // namespace ringdrop::proto
