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
      turn_(inbound_.loop(), "a message that has waited for the one before") {}

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

// Frames of the two tasks do not mix: one waits for the other, and whoever waits is next, or one who talks all the time
// would keep the other from answering. What is to be sent is looked up when it is its turn: nothing goes out behind a
// close (RFC 6455 5.5.1).
Task<> WebsocketSession::take_turn() {
  if (sending_) static_cast<void>(co_await turn_.wait());  // it is handed over
  sending_ = true;
}

void WebsocketSession::end_turn() {
  sending_ = turn_.size() > 0;
  turn_.wake_one();
}

Task<Result<>> WebsocketSession::flush() {
  co_await take_turn();
  const std::string frames = codec().output();
  const Result<> sent = co_await send_now(frames);
  end_turn();
  co_return sent;
}

Task<Result<>> WebsocketSession::send_frames(std::string_view frames) {
  co_await take_turn();
  const bool ended = codec_ && codec_->output_ended();
  Result<> sent = ended ? io::fail(Errc::closed, "send") : Result<>{};
  if (!ended) sent = co_await send_now(frames);
  end_turn();
  co_return sent;
}

Task<Result<>> WebsocketSession::send_now(std::string_view frames) {
  if (frames.empty()) co_return Result<>{};
  if (broken_) co_return io::fail(Errc::closed, "send");
  const io::TimePoint deadline = inbound_.loop().now() + limits_.stall_timeout;
  const Result<std::size_t> sent = co_await inbound_.socket().send_all(as_bytes(frames), Bytes{}, deadline, stop_);
  broken_ = !sent || *sent < frames.size();
  if (!sent) co_return std::unexpected(sent.error());
  if (broken_) co_return io::fail(stop_.stop_requested() ? Errc::cancelled : Errc::timed_out, "send");
  co_return Result<>{};
}

}  // namespace ringdrop::http
