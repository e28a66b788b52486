// Outgoing connections: one socket to one address. Which addresses a name has is resolver.h's matter, TLS is tls.h's.
#pragma once

#include <stop_token>

#include "io/address.h"
#include "io/event_loop.h"
#include "io/socket.h"
#include "io/task.h"

namespace ringdrop::io {

// A connected stream socket (TCP_NODELAY, or a Unix socket). timed_out, cancelled, system (ECONNREFUSED, ENETUNREACH,
// ...), exhausted. `address` and `stop` live until it is over.
Task<Result<Socket>> connect(EventLoop& loop, const Address& address, TimePoint deadline, const std::stop_token& stop);

}  // namespace ringdrop::io
