#include "proto/content_disposition.h"

#include "proto/file_name.h"
#include "proto/uri.h"

namespace ringdrop::proto {

std::string format_content_disposition(Disposition disposition, std::string_view name) {
  std::string text = disposition == Disposition::attachment ? "attachment" : "inline";
  if (name.empty()) return text;
  const std::string fallback = ascii_file_name(name);
  text += "; filename=\"";
  text += fallback;
  text += '"';
  // RFC 8187 3.2.1: attr-char or pct-encoded; what percent_encode leaves alone are attr-chars.
  text += "; filename*=UTF-8''";
  text += percent_encode(utf8_file_name(name));
  return text;
}

}  // namespace ringdrop::proto
