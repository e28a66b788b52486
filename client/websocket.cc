#include "client/websocket.h"

#include <cstring>
#include <utility>

#include "proto/base64.h"

namespace ringdrop::client {
namespace {

using io::Errc;
using io::Result;
using io::Task;

// For a pong or a close: a few bytes.
constexpr io::Milliseconds kSendLimit{10'000};

uint32_t random_mask(io::Ring& ring) {
  std::array<std::byte, sizeof(uint32_t)> bytes{};
  ring.random(bytes);
  uint32_t mask = 0;
  std::memcpy(&mask, bytes.data(), sizeof mask);
  return mask;
}

}  // namespace

WebsocketHandshake::WebsocketHandshake(io::Ring& ring) {
  std::array<std::byte, 16> bytes{};
  ring.random(bytes);
  key_ = proto::base64_encode(as_text(Bytes(bytes)));
}

HttpRequest WebsocketHandshake::request(const std::string& target) const {
  HttpRequest request{"GET", target, {}};
  request.fields.add("Upgrade", "websocket");
  request.fields.add("Connection", "Upgrade");
  request.fields.add("Sec-WebSocket-Version", "13");
  request.fields.add("Sec-WebSocket-Key", key_);
  return request;
}

bool WebsocketHandshake::accepts(const HttpAnswer& answer) const {
  const proto::Fields& fields = answer.head.fields;
  return answer.status() == 101 && proto::list_contains(fields.joined("Upgrade"), "websocket") &&
         proto::list_contains(fields.joined("Connection"), "Upgrade") && !fields.find("Sec-WebSocket-Extensions") &&
         !fields.find("Sec-WebSocket-Protocol") &&
         fields.joined("Sec-WebSocket-Accept") == proto::websocket_accept_of(key_);
}

Websocket::Websocket(io::EventLoop& loop, SwitchedStream switched, uint64_t most_message_bytes)
    : loop_(loop),
      stream_(std::move(switched.stream)),
      unread_(std::move(switched.unread)),
      codec_(proto::WebsocketCodec::Role::client, most_message_bytes, [this] { return random_mask(loop_.ring()); }) {}

Task<Result<>> Websocket::receive(std::vector<proto::WebsocketMessage>& messages, io::TimePoint deadline,
                                  const std::stop_token& stop) {
  if (codec_.input_ended()) co_return io::fail(Errc::closed, "receive");
  if (unread_.empty()) {
    const Result<std::size_t> got = co_await stream_->receive_some(received_, deadline, stop);
    if (!got) co_return std::unexpected(got.error());
    if (*got == 0) co_return io::fail(Errc::closed, "receive");
    codec_.feed(Bytes(received_).first(*got), messages);
  } else {
    const std::string unread = std::exchange(unread_, {});
    codec_.feed(as_bytes(unread), messages);
  }
  // Messages that came count, whatever becomes of an answer.
  const Result<> answered = co_await flush(stop);
  if (!answered && messages.empty()) co_return answered;
  co_return Result<>{};
}

Task<> Websocket::close(uint16_t code) {
  codec_.close(code);
  const std::stop_token none;
  static_cast<void>(co_await flush(none));
  co_await stream_->say_goodbye();
}

Task<Result<>> Websocket::flush(const std::stop_token& stop) {
  const std::string frames = codec_.output();
  if (frames.empty()) co_return Result<>{};
  co_return co_await stream_->send_all(as_bytes(frames), kSendLimit, stop);
}

}  // namespace ringdrop::client
