// Who fetches links that nobody has clicked: the previews of messengers, search engines, a browser ahead of its user.
// The list is in the source. Pure.
#pragma once

#include <string_view>

#include "proto/http_message.h"

namespace ringdrop::server {

// By User-Agent. No protection against anybody: who lies gets what a person gets.
bool is_preview_bot(std::string_view user_agent);

// Whether a browser loads ahead of its user (Sec-Purpose, and the older Purpose, X-Purpose and X-Moz).
bool is_prefetch(const proto::RequestHead& request);

}  // namespace ringdrop::server
