#include "server/http/websocket_session.h"

#include <string>

namespace ringdrop::http {

using io::Errc;
using io::Result;
using io::Task;

WebsocketSession::WebsocketSession(ResponseWriter& response, uint64_t most_message_bytes, const std::stop_token& stop)
    : inbound_(response.inbound()),
      limits_(response.limits()),
      stop_(stop),
      most_message_bytes_(most_message_bytes),
      sent_(inbound_.loop()) {}

proto::WebsocketCodec& WebsocketSession::codec() {
  if (!codec_) codec_.emplace(proto::WebsocketCodec::Role::server, most_message_bytes_);
  return *codec_;
}

Task<Result<>> WebsocketSession::receive(std::vector<proto::WebsocketMessage>& messages, io::TimePoint deadline) {
  if (codec_ && codec_->input_ended()) co_return io::fail(Errc::closed, "receive");
  if (inbound_.unused().empty()) {
    const Result<> there = co_await inbound_.wait(deadline, stop_);
    if (!there) co_return there;
    const Result<bool> received = co_await inbound_.receive(inbound_.loop().now() + limits_.stall_timeout, stop_);
    if (!received) co_return std::unexpected(received.error());
    if (!*received) co_return io::fail(Errc::closed, "receive");
  }
  codec().feed(inbound_.unused(), messages);
  inbound_.consume(inbound_.unused().size());
  co_return co_await flush();
}

Task<Result<>> WebsocketSession::send(std::string_view payload, bool text) {
  codec().send(payload, text);
  co_return co_await flush();
}

Task<Result<>> WebsocketSession::send_ping() {
  codec().ping();
  co_return co_await flush();
}

Task<Result<>> WebsocketSession::send_close(uint16_t code) {
  codec().close(code);
  co_return co_await flush();
}

Task<Result<>> WebsocketSession::flush() {
  const std::string frames = codec().output();
  co_return co_await send_frames(frames);
}

// Frames of the two tasks do not mix: one waits for the other.
Task<Result<>> WebsocketSession::send_frames(std::string_view frames) {
  if (frames.empty()) co_return Result<>{};
  while (sending_) static_cast<void>(co_await sent_.wait());
  if (broken_) co_return io::fail(Errc::closed, "send");
  sending_ = true;
  const io::TimePoint deadline = inbound_.loop().now() + limits_.stall_timeout;
  const Result<std::size_t> sent = co_await inbound_.socket().send_all(as_bytes(frames), Bytes{}, deadline, stop_);
  sending_ = false;
  broken_ = !sent || *sent < frames.size();
  sent_.wake_all();
  if (!sent) co_return std::unexpected(sent.error());
  if (*sent < frames.size()) co_return io::fail(stop_.stop_requested() ? Errc::cancelled : Errc::timed_out, "send");
  co_return Result<>{};
}

}  // namespace ringdrop::http
