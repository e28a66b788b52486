// The websocket codec under any bytes, in both roles: the outcome is the same however the input is split, what it sends
// are frames by the rules (RFC 6455 5), and a peer cannot make it hold more than the largest message allows.
#include <malloc.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "proto/websocket.h"
#include "tests/fuzz/require.h"

namespace ringdrop::proto {
namespace {

constexpr uint64_t kMostMessageBytes = 300;
// A fragment of one byte costs the codec an allocation.
constexpr std::size_t kMostHeldBytes = 64 * kMostMessageBytes + 64 * kKiB;
constexpr uint32_t kMask = 0x44332211;

struct Outcome {
  std::vector<std::pair<bool, std::string>> messages;
  std::string pongs;
  std::string close;
  bool ended = false;

  // Pongs that were not sent before a close need not be (5.5.2). With which code an end comes, and whether in the midst
  // of a close frame or behind it, depends on the split: wslay 1.1.1 judges a close frame by each piece of it.
  bool operator==(const Outcome& other) const {
    return messages == other.messages && close.empty() != ended && (ended || other.ended || pongs == other.pongs);
  }
};

bool may_be_sent(unsigned code) {
  return (code >= 1000 && code <= 1011 && code != 1004 && code != 1005 && code != 1006) ||
         (code >= 3000 && code <= 4999);
}

// What the codec says by itself: pongs, then perhaps one close.
void split_output(std::string_view output, bool masked, Outcome& into) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(output[at]); };
  while (!output.empty()) {
    const std::size_t head_bytes = masked ? 6 : 2;
    REQUIRE_THAT(output.size() >= head_bytes && into.close.empty());
    const unsigned opcode = byte(0) & 0x0FU;
    const std::size_t size = byte(1) & 0x7FU;
    REQUIRE_THAT((byte(0) & 0xF0U) == 0x80 && (opcode == 8 || opcode == 10));
    REQUIRE_THAT((byte(1) & 0x80U) == (masked ? 0x80U : 0));
    REQUIRE_THAT(size <= 125 && output.size() >= head_bytes + size);
    const std::string_view payload = output.substr(head_bytes, size);
    if (opcode == 8 && size > 0) {
      REQUIRE_THAT(size >= 2);
      const unsigned first = byte(head_bytes) ^ (masked ? byte(2) : 0U);
      const unsigned second = byte(head_bytes + 1) ^ (masked ? byte(3) : 0U);
      REQUIRE_THAT(may_be_sent(first << 8U | second));
    }
    if (opcode == 8) into.close = std::string(output.substr(0, 2)) + std::string(payload);
    if (opcode == 10) into.pongs += payload;
    output.remove_prefix(head_bytes + size);
  }
}

std::size_t bytes_in_use() {
  return mallinfo2().uordblks;
}

// `most` bytes at a time; 0: all.
Outcome run(std::string_view input, WebsocketCodec::Role role, std::size_t most) {
  WebsocketCodec codec(role, kMostMessageBytes, [] { return kMask; });
  Outcome outcome;
  std::vector<WebsocketMessage> messages;
  std::size_t received = 0;
  std::string output;
  const std::size_t before = bytes_in_use();
  while (!input.empty()) {
    const std::string_view piece = input.substr(0, most == 0 ? input.size() : most);
    input.remove_prefix(piece.size());
    codec.feed(as_bytes(piece), messages);
    output += codec.output();
    for (WebsocketMessage& message : messages) {
      REQUIRE_THAT(message.payload.size() <= kMostMessageBytes);
      received += message.payload.size();
      outcome.messages.emplace_back(message.text, std::move(message.payload));
    }
    messages.clear();
  }
  const std::size_t kept = received + outcome.messages.capacity() * sizeof(outcome.messages[0]) +
                           outcome.messages.size() * 64 + output.capacity();
  const std::size_t after = bytes_in_use();
  REQUIRE_THAT(after <= before + kept + kMostHeldBytes);
  split_output(output, role == WebsocketCodec::Role::client, outcome);
  outcome.ended = codec.input_ended();
  REQUIRE_THAT(codec.close_code_received() == 1006 || outcome.ended);
  return outcome;
}

}  // namespace
}  // namespace ringdrop::proto

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace ringdrop;
  using namespace ringdrop::proto;
  const std::string_view input = as_text(Bytes(reinterpret_cast<const std::byte*>(data), size));
  for (const WebsocketCodec::Role role : {WebsocketCodec::Role::server, WebsocketCodec::Role::client}) {
    const Outcome whole = run(input, role, 0);
    for (const std::size_t most : std::array<std::size_t, 3>{1, 3, 50}) REQUIRE_THAT(run(input, role, most) == whole);
  }
  return 0;
}
