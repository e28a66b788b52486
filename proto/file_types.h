// What a file is, as far as a download has to say: by the client's word, else by its name. And which types a browser
// may show under our origin. Pure.
#pragma once

#include <string>
#include <string_view>

namespace ringdrop::proto {

// The media type to store: `declared` (a Content-Type field, any bytes) when it is a media type that says something,
// else by the ending of `name`, else application/octet-stream. What clients send without having looked
// (application/octet-stream, application/x-www-form-urlencoded) says nothing. At most 255 bytes, a valid field value.
std::string stored_media_type(std::string_view declared, std::string_view name);

// Whether a browser may display it here: plain text, bitmaps, audio, video, PDF. Never HTML, SVG or XML, which can act
// as a page of this origin.
bool may_display_inline(std::string_view media_type);

}  // namespace ringdrop::proto
