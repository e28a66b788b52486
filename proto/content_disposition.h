// Content-Disposition of a download (RFC 6266, RFC 8187).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringdrop::proto {

enum class Disposition : uint8_t { inline_, attachment };

// `attachment; filename="ascii fallback"; filename*=UTF-8''percent-encoded`. An empty name gives
// the bare type.
std::string format_content_disposition(Disposition disposition, std::string_view name);

// The file name of a Content-Disposition that a client sends with a body, whatever its type: filename* (RFC 8187, UTF-8
// or ISO-8859-1) wins over filename; "" when there is neither. Bytes. nullopt when it cannot be parsed.
std::optional<std::string> disposition_file_name(std::string_view field);

}  // namespace ringdrop::proto
