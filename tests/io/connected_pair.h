// Two ends of a connection on the loop of a RingUnderTest.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>

#include "io/socket.h"
#include "tests/io/ring_behaviour.h"

namespace ringdrop::test {

struct ConnectedPair {
  ConnectedPair(io::Socket accepted, io::Socket connecting)
      : server(std::move(accepted)), client(std::move(connecting)) {}
  io::Socket server;
  io::Socket client;
};

inline const std::stop_token kNoStop{};

inline io::TimePoint in(io::EventLoop& loop, io::Milliseconds duration) {
  return loop.now() + duration;
}

io::Task<ConnectedPair> connected_pair(RingUnderTest& ring);

// All of `bytes` has left; checked.
io::Task<> send_text(io::EventLoop& loop, io::Socket& socket, std::string_view text);
// What comes until the peer ends its half, at most `most` bytes.
io::Task<std::string> receive_to_end(io::EventLoop& loop, io::Socket& socket, std::size_t most);

inline MutableBytes writable(std::string& text) {
  return {reinterpret_cast<std::byte*>(text.data()), text.size()};
}

// Bytes of which every few can be told from every few others.
std::string pattern(std::size_t bytes);

}  // namespace ringdrop::test
