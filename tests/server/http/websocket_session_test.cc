// Two tasks on one websocket: one that talks, one that listens and answers for the protocol.
#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "proto/websocket.h"
#include "tests/server/http/echo_world.h"

namespace ringdrop::http {
namespace {

using io::Result;
using proto::WebsocketCodec;
using sim::SimClient;

constexpr std::string_view kHandshake =
    "GET /chatter HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
constexpr unsigned char kText = 0x81;
constexpr unsigned char kClose = 0x88;
constexpr unsigned char kPong = 0x8a;

// The first bytes of all frames in it, which are short and whole.
std::string opcodes_of(std::string_view frames) {
  std::string opcodes;
  while (frames.size() >= 2) {
    opcodes += frames[0];
    std::size_t head = 2;
    std::size_t bytes = static_cast<unsigned char>(frames[1]);
    if (bytes == 126 && frames.size() >= 4) {
      head = 4;
      bytes = static_cast<std::size_t>(static_cast<unsigned char>(frames[2])) << 8U;
      bytes |= static_cast<unsigned char>(frames[3]);
    }
    REQUIRE(frames.size() >= head + bytes);
    frames.remove_prefix(head + bytes);
  }
  CHECK(frames.empty());
  return opcodes;
}

TEST_CASE("frames of two tasks do not mix, and nothing is sent behind a close") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    EchoWorld echo(seed);
    SimClient client = echo.client();
    REQUIRE(echo.run(client.send(kHandshake)));
    // Nothing is read, so that the one who talks is stuck in a frame; and then both have something to say.
    echo.world.run_for(io::Milliseconds(500));
    WebsocketCodec codec(WebsocketCodec::Role::client, kMiB, [] { return 0x01020304U; });
    codec.ping();
    codec.ping();
    std::string said = codec.output();
    codec.close(proto::kCloseNormal);
    said += codec.output();
    REQUIRE(echo.run(client.send(said)));
    echo.world.run_for(io::Milliseconds(500));
    const std::string all = echo.run(client.receive_to_end());
    const std::string opcodes = opcodes_of(std::string_view(all).substr(all.find("\r\n\r\n") + 4));
    REQUIRE(opcodes.size() > 4);
    CHECK(opcodes.find(static_cast<char>(kClose)) == opcodes.size() - 1);
    CHECK(opcodes.find_first_not_of({static_cast<char>(kText), static_cast<char>(kPong), static_cast<char>(kClose)}) ==
          opcodes.npos);
  }
}

}  // namespace
}  // namespace ringdrop::http
