#include "proto/websocket.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include <wslay/wslay.h>

#include "base/check.h"
#include "proto/base64.h"
#include "proto/digest.h"

namespace ringdrop::proto {
namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 1.3
constexpr std::size_t kKeyBytes = 16;

constexpr Rejection kBadHandshake{400, "bad_websocket",
                                  "a websocket needs GET, HTTP/1.1, Connection: Upgrade and a Sec-WebSocket-Key"};
constexpr Rejection kBadVersion{426, "websocket_version", "Sec-WebSocket-Version: 13 is the one that is spoken here"};

}  // namespace

bool asks_for_websocket(const RequestHead& request) {
  return list_contains(request.fields.joined("Upgrade"), "websocket");
}

std::expected<std::string, Rejection> accept_websocket(const RequestHead& request) {
  const bool upgrade = list_contains(request.fields.joined("Connection"), "Upgrade");
  const std::string_view key = request.fields.find("Sec-WebSocket-Key").value_or("");
  const std::optional<std::string> bytes = base64_decode(key);
  const bool one_key = request.fields.count("Sec-WebSocket-Key") == 1 && bytes && bytes->size() == kKeyBytes;
  const bool http_1_1 = request.method == Method::get && request.minor_version == 1;
  if (!http_1_1 || !upgrade || !asks_for_websocket(request)) return std::unexpected(kBadHandshake);
  if (request.fields.joined("Sec-WebSocket-Version") != "13") return std::unexpected(kBadVersion);
  if (!one_key || request.framing != BodyFraming::none) return std::unexpected(kBadHandshake);
  return websocket_accept_of(key);
}

std::string websocket_accept_of(std::string_view key) {
  Digester sha1(DigestAlgorithm::sha1);
  sha1.update(as_bytes(key));
  sha1.update(as_bytes(kGuid));
  return base64_encode(sha1.finish());
}

class WebsocketCodec::State {
 public:
  State(Role role, uint64_t most_message_bytes, std::function<uint32_t()> random_mask)
      : random_mask_(std::move(random_mask)) {
    wslay_event_callbacks callbacks{};
    callbacks.recv_callback = give_input;
    callbacks.send_callback = take_output;
    callbacks.genmask_callback = make_mask;
    callbacks.on_msg_recv_callback = take_message;
    const int made = role == Role::server ? wslay_event_context_server_init(&context_, &callbacks, this)
                                          : wslay_event_context_client_init(&context_, &callbacks, this);
    CHECK_THAT(made == 0);  // memory alone can be missing
    wslay_event_config_set_max_recv_msg_length(context_, most_message_bytes);
  }
  ~State() { wslay_event_context_free(context_); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void feed(Bytes input, std::vector<WebsocketMessage>& messages) {
    input_ = input;
    messages_ = &messages;
    if (wslay_event_recv(context_) != 0) {
      // A header that breaks a rule, or no memory.
      wslay_event_shutdown_read(context_);
      broken_ = true;
    }
    input_ = {};
    messages_ = nullptr;
  }

  bool input_ended() const { return wslay_event_get_read_enabled(context_) == 0; }
  uint16_t close_code_received() const { return wslay_event_get_status_code_received(context_); }
  bool output_ended() const { return wslay_event_get_close_sent(context_) != 0; }

  void queue(uint8_t opcode, std::string_view payload) {
    const wslay_event_msg message{opcode, reinterpret_cast<const uint8_t*>(payload.data()), payload.size()};
    static_cast<void>(wslay_event_queue_msg(context_, &message));
  }
  void close(uint16_t code) {
    // What was sent before it goes first; wslay would let the close overtake it.
    if (wslay_event_send(context_) != 0) wslay_event_shutdown_write(context_);
    static_cast<void>(wslay_event_queue_close(context_, code, nullptr, 0));
  }

  std::string output() {
    if (wslay_event_send(context_) != 0) wslay_event_shutdown_write(context_);
    // wslay 1.1.1 closes without a code where a header breaks a rule.
    constexpr std::string_view kNoCode("\x88\x00", 2);
    constexpr std::string_view kProtocolError("\x88\x02\x03\xea", 4);
    if (broken_ && output_.ends_with(kNoCode)) output_.replace(output_.size() - kNoCode.size(), 2, kProtocolError);
    return std::exchange(output_, {});
  }

 private:
  static State& of(void* self) { return *static_cast<State*>(self); }

  static ssize_t give_input(wslay_event_context_ptr context, uint8_t* into, std::size_t room, int, void* self) {
    Bytes& input = of(self).input_;
    if (input.empty()) {
      wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
      return -1;
    }
    const std::size_t bytes = std::min(room, input.size());
    std::memcpy(into, input.data(), bytes);
    input = input.subspan(bytes);
    return static_cast<ssize_t>(bytes);
  }

  static ssize_t take_output(wslay_event_context_ptr, const uint8_t* data, std::size_t bytes, int, void* self) {
    of(self).output_.append(reinterpret_cast<const char*>(data), bytes);
    return static_cast<ssize_t>(bytes);
  }

  static int make_mask(wslay_event_context_ptr, uint8_t* into, std::size_t bytes, void* self) {
    const uint32_t mask = of(self).random_mask_();
    CHECK_THAT(bytes == sizeof mask);
    std::memcpy(into, &mask, sizeof mask);
    return 0;
  }

  static void take_message(wslay_event_context_ptr, const wslay_event_on_msg_recv_arg* message, void* self) {
    // Half a status code: wslay answers as if there were none.
    if (message->opcode == WSLAY_CONNECTION_CLOSE && message->msg_length == 1) of(self).broken_ = true;
    if (message->opcode != WSLAY_TEXT_FRAME && message->opcode != WSLAY_BINARY_FRAME) return;
    WebsocketMessage complete;
    complete.text = message->opcode == WSLAY_TEXT_FRAME;
    complete.payload.assign(reinterpret_cast<const char*>(message->msg), message->msg_length);
    of(self).messages_->push_back(std::move(complete));
  }

  wslay_event_context_ptr context_ = nullptr;
  const std::function<uint32_t()> random_mask_;
  bool broken_ = false;
  Bytes input_;  // what is left of the caller's, during a call
  std::vector<WebsocketMessage>* messages_ = nullptr;
  std::string output_;
};

WebsocketCodec::WebsocketCodec(Role role, uint64_t most_message_bytes, std::function<uint32_t()> random_mask)
    : state_(std::make_unique<State>(role, most_message_bytes, std::move(random_mask))) {}
WebsocketCodec::~WebsocketCodec() = default;

void WebsocketCodec::feed(Bytes input, std::vector<WebsocketMessage>& messages) {
  if (!input_ended()) state_->feed(input, messages);
}
bool WebsocketCodec::input_ended() const {
  return state_->input_ended();
}
uint16_t WebsocketCodec::close_code_received() const {
  return state_->close_code_received();
}
void WebsocketCodec::send(std::string_view payload, bool text) {
  state_->queue(text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME, payload);
}
void WebsocketCodec::ping() {
  state_->queue(WSLAY_PING, {});
}
void WebsocketCodec::close(uint16_t code) {
  state_->close(code);
}
std::string WebsocketCodec::output() {
  return state_->output();
}
bool WebsocketCodec::output_ended() const {
  return state_->output_ended();
}

}  // namespace ringdrop::proto
