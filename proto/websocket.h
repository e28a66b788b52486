// The websocket protocol (RFC 6455) as pure functions and values: the handshake, and a codec between bytes and messages
// (wslay behind it). No extension is offered. Not here: reading, writing, deadlines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "proto/http_message.h"

namespace ringdrop::proto {

// Status codes of a close frame (7.4.1).
inline constexpr uint16_t kCloseNormal = 1000;
inline constexpr uint16_t kCloseGoingAway = 1001;

// Whether the client asks for a websocket: Upgrade names it (4.2.1).
bool asks_for_websocket(const RequestHead& request);
// The value of Sec-WebSocket-Accept for its key. 400 bad_websocket: no GET of HTTP/1.1, no `Connection: Upgrade`, no
// key of 16 bytes; 426 websocket_version: another version than 13 (answer with `Sec-WebSocket-Version: 13`).
std::expected<std::string, Rejection> accept_websocket(const RequestHead& request);
// The same computation for a client (4.2.2): base64(SHA-1(key + GUID)).
std::string websocket_accept_of(std::string_view key);

struct WebsocketMessage {
  bool text = false;
  std::string payload;  // UTF-8 when it is text
};

// One connection's framing, in either role. What the protocol itself asks to be sent (pong, close) is made here.
class WebsocketCodec {
 public:
  enum class Role : uint8_t { server, client };
  // A message of more than `most_message_bytes` is refused with 1009. `random_mask`: for the role of a client, 4 bytes
  // of strong chance a frame (5.3).
  WebsocketCodec(Role role, uint64_t most_message_bytes, std::function<uint32_t()> random_mask = {});
  ~WebsocketCodec();
  WebsocketCodec(const WebsocketCodec&) = delete;
  WebsocketCodec& operator=(const WebsocketCodec&) = delete;

  // Bytes from the peer. Messages that are complete are added to `messages`; what is to be sent back waits in output().
  // After a close, or a broken rule, further bytes are ignored.
  void feed(Bytes input, std::vector<WebsocketMessage>& messages);
  // The peer may send no more: it has closed, or has broken a rule.
  bool input_ended() const;
  // The code that the peer's close frame had; 1005 when it had none, 1006 before there is one.
  uint16_t close_code_received() const;

  // Frames to be sent: call, then take output(). Ignored once a close is on its way.
  void send(std::string_view payload, bool text);
  void ping();
  void close(uint16_t code);
  // Frames that are ready to be sent, in order; taken away.
  std::string output();
  // A close frame was in the output: nothing follows it.
  bool output_ended() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace ringdrop::proto
