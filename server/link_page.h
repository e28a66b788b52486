// The page that a browser is shown in place of a file that it would only save: what it is, and a button. It takes no
// download.
#pragma once

#include "db/link.h"
#include "io/task.h"
#include "proto/http_message.h"
#include "server/exchange.h"

namespace ringdrop::server {

// Whether this request is answered with the page: somebody goes to a file that is not displayed inline, or asks by
// ?page=1; not with ?dl=1, and not for a range. Of a link with limited downloads, also whatever a preview bot or a
// prefetch asks for, so that they never use it up. Pure.
bool wants_link_page(const proto::RequestHead& request, const db::Link& link);

io::Task<io::Result<>> send_link_page(const Exchange& exchange, const db::Link& link);

}  // namespace ringdrop::server
