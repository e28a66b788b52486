// A websocket after its handshake, on the connection that the handshake came by: bytes in both directions, deadlines,
// and what the protocol itself asks to be sent (pong, close). Two tasks may use it side by side: one receives, one
// sends.
#pragma once

#include <optional>
#include <stop_token>
#include <string_view>
#include <vector>

#include "io/task.h"
#include "io/wait_list.h"
#include "proto/websocket.h"
#include "server/http/inbound.h"
#include "server/http/response_writer.h"

namespace ringdrop::http {

class WebsocketSession {
 public:
  // `response` has switched protocols. A message of more than `most_message_bytes` is answered with 1009. All outlive
  // the session.
  WebsocketSession(ResponseWriter& response, uint64_t most_message_bytes, const std::stop_token& stop);

  // Waits for bytes until `deadline`, adds the messages that are complete to `messages`, and sends what the protocol
  // asks for. closed: the websocket or its connection has ended; timed_out: nothing came, or an answer could not be
  // sent; cancelled; exhausted.
  io::Task<io::Result<>> receive(std::vector<proto::WebsocketMessage>& messages, io::TimePoint deadline);

  // One message, sent as a whole. closed, timed_out (the peer does not read: the connection is of no use any more),
  // cancelled.
  io::Task<io::Result<>> send(std::string_view payload, bool text);
  // Bytes that are frames already: one message for many peers is framed once (WebsocketCodec, role of a server). closed
  // also when a close frame has been sent.
  io::Task<io::Result<>> send_frames(std::string_view frames);
  io::Task<io::Result<>> send_ping();
  // Nothing can be sent afterwards; receive() fails with `closed` once the peer has closed in turn.
  io::Task<io::Result<>> send_close(uint16_t code);

 private:
  proto::WebsocketCodec& codec();
  io::Task<> take_turn();
  void end_turn();
  io::Task<io::Result<>> flush();
  io::Task<io::Result<>> send_now(std::string_view frames);  // by whose turn it is

  Inbound& inbound_;
  const HttpLimits& limits_;
  const std::stop_token& stop_;
  const uint64_t most_message_bytes_;
  // Made when it is first needed: who only listens costs no framing buffers.
  std::optional<proto::WebsocketCodec> codec_;
  bool sending_ = false;
  bool broken_ = false;  // a send was cut: nothing may follow it
  io::WaitList turn_;
};

}  // namespace ringdrop::http
