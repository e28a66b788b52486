// Host names to addresses (getaddrinfo(3)), off the loop: the call blocks for as long as the machine's resolver takes
// (resolv.conf(5): some seconds a server) and cannot be taken back.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/address.h"
#include "io/event_loop.h"
#include "io/task.h"
#include "io/worker.h"

namespace ringdrop::io {

// Every TCP address of the host, IPv6 and IPv4, in the order in which they are to be tried (RFC 6724); at least one. A
// numeric address ("::1", without brackets) is itself. `host` lives until it is over.
// not_found: there is no such name. system: no answer now, or another failure; `op` says which (gai_strerror(3)).
Task<Result<std::vector<Address>>> resolve(EventLoop& loop, Lane& lane, const std::string& host, uint16_t port);

}  // namespace ringdrop::io
