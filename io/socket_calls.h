// Calls on sockets that end at once. What UringRing's immediate calls are made of; see Ring.
#pragma once

#include <cstdint>

#include "io/address.h"
#include "io/error.h"

namespace ringdrop::io {

Result<int> listen_socket(const Address& address);
Result<int> stream_socket(const Address& address);
Address socket_address(int fd);
void limit_unsent_bytes(int fd);
void cork_socket(int fd, bool on);
void set_socket_waits(int fd, bool waits);
Result<uint64_t> bytes_in_flight(int fd);

}  // namespace ringdrop::io
