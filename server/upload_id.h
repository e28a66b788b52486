// The names of an upload that has an id: the uploader's secret one, the one for those who may only watch it, and the
// delete token of the link that it becomes. The latter two follow from the first, so that every answer can name them.
#pragma once

#include <string>
#include <string_view>

#include "io/ring.h"

namespace ringdrop::server {

// An upload id or a watch id: 22 to 64 of [0-9A-Za-z_-].
bool is_upload_id(std::string_view text);
// A new one.
std::string make_upload_id(io::Ring& ring);
// base62(HMAC-SHA256(id, "watch")), where the client has chosen none.
std::string watch_id_of(std::string_view upload_id);
// base62(HMAC-SHA256(id, "delete")).
std::string delete_token_of(std::string_view upload_id);

}  // namespace ringdrop::server
