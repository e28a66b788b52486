// GET and HEAD /{token}[/{name}]: the file behind a link.
#pragma once

#include <string_view>

#include "io/task.h"
#include "server/exchange.h"
#include "server/services.h"

namespace ringdrop::server {

// An unknown token is a 404. The first bytes are read before the head goes out, so that a broken disk is still a clean
// 500; after the head an error cuts the connection, and a short body never looks whole.
//
// A limited link: the answer that contains the file's last byte takes one download before its last piece is sent, when
// the client has acknowledged what went before. None
// left: the connection is cut there. The send fails: it is given back. So n + 1 whole copies are impossible, over any
// connections and restarts, and a client that fetches ranges side by side uses up one.
io::Task<io::Result<>> handle_download(const Services& services, const Exchange& exchange, std::string_view token);

}  // namespace ringdrop::server
