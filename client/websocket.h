// A websocket from the client's side (RFC 6455), over the connection that its handshake came by. Not here: how the
// connection came about, what the messages mean.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "client/http_client.h"
#include "io/event_loop.h"
#include "io/task.h"
#include "proto/websocket.h"

namespace ringdrop::client {

class WebsocketHandshake {
 public:
  // A new key of 16 random bytes (4.1).
  explicit WebsocketHandshake(io::Ring& ring);

  // GET of `target`.
  HttpRequest request(const std::string& target) const;
  // Whether a 101 is the answer to it (4.1): what switches to something else, or without our key, is not.
  bool accepts(const HttpAnswer& answer) const;

 private:
  std::string key_;
};

class Websocket {
 public:
  // A message of more than `most_message_bytes` is refused with 1009.
  Websocket(io::EventLoop& loop, SwitchedStream switched, uint64_t most_message_bytes);

  // Waits for bytes, adds the messages that are complete, sends what the protocol asks for (pong, close). closed: the
  // websocket has ended, in order or not; timed_out: no byte came by `deadline`; cancelled.
  io::Task<io::Result<>> receive(std::vector<proto::WebsocketMessage>& messages, io::TimePoint deadline,
                                 const std::stop_token& stop);
  // Says that it is enough, without waiting for the answer.
  io::Task<> close(uint16_t code);

 private:
  io::Task<io::Result<>> flush(const std::stop_token& stop);

  io::EventLoop& loop_;
  std::unique_ptr<io::Stream> stream_;
  std::string unread_;
  proto::WebsocketCodec codec_;
  std::array<std::byte, 4 * kKiB> received_;
};

}  // namespace ringdrop::client
