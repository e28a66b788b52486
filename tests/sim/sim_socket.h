// Stream sockets of the simulated world: two ends, each with a bounded inbox. Bytes arrive in portions of random size.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <memory>

#include "io/address.h"

namespace ringdrop::sim {

struct SimSocket {
  std::deque<std::byte> inbox;
  std::size_t inbox_limit = 64 * 1024;  // above it the other end's send waits
  bool ended = false;                   // nothing more comes: the other end has shut down or closed
  bool reset = false;                   // the other end is gone with a reset
  bool write_shut = false;
  bool waits = true;          // Ring::set_waits()
  bool sender_corks = false;  // the other end: the last bytes have not left
  std::weak_ptr<SimSocket> peer;

  // How much of the inbox can be received. What is held back keeps no sender from sending more.
  std::size_t arrived() const {
    const std::size_t held_back = sender_corks && !ended ? std::min<std::size_t>(100, inbox_limit / 4) : 0;
    return inbox.size() - std::min(inbox.size(), held_back);
  }
};

struct SimListener {
  io::Address address;
  std::deque<std::shared_ptr<SimSocket>> queue;
};

}  // namespace ringdrop::sim
