#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "proto/http_parser.h"
#include "proto/websocket.h"

using namespace std::string_literals;

namespace ringdrop::proto {
namespace {

constexpr uint64_t kMost = 1000;

uint32_t fixed_mask() {
  return 0x04030201;
}

// A frame as a client sends it (masked), or not; `first`: FIN, RSV and opcode.
std::string frame(unsigned first, std::string_view payload, bool masked = true) {
  std::string bytes(1, static_cast<char>(first));
  const unsigned mask_bit = masked ? 0x80 : 0;
  if (payload.size() < 126) {
    bytes += static_cast<char>(mask_bit | payload.size());
  } else {
    bytes += static_cast<char>(mask_bit | 126);
    bytes += static_cast<char>(payload.size() >> 8);
    bytes += static_cast<char>(payload.size());
  }
  const std::string mask = masked ? "\x11\x22\x33\x44"s : ""s;
  bytes += mask;
  for (std::size_t i = 0; i < payload.size(); ++i) {
    bytes += static_cast<char>(payload[i] ^ (masked ? mask[i % 4] : 0));
  }
  return bytes;
}

std::string close_payload(uint16_t code, std::string_view reason = "") {
  return std::string{static_cast<char>(code >> 8), static_cast<char>(code)} + std::string(reason);
}

struct Heard {
  std::vector<std::string> messages;
  std::string output;
  bool ended = false;
  bool operator==(const Heard&) const = default;
};

Heard hear(std::string_view input, std::size_t cut) {
  WebsocketCodec codec(WebsocketCodec::Role::server, kMost);
  std::vector<WebsocketMessage> messages;
  Heard heard;
  for (const std::string_view piece : {input.substr(0, cut), input.substr(cut)}) {
    codec.feed(as_bytes(piece), messages);
    heard.output += codec.output();
  }
  for (const WebsocketMessage& message : messages) heard.messages.push_back(message.payload);
  heard.ended = codec.input_ended();
  return heard;
}

// However the bytes are cut, the same is heard.
Heard hear(std::string_view input) {
  const Heard whole = hear(input, input.size());
  for (std::size_t cut = 0; cut < input.size(); cut += input.size() > 300 ? 97U : 1U) {
    CAPTURE(cut);
    CHECK(hear(input, cut) == whole);
  }
  return whole;
}

RequestHead parse(const std::string& fields, std::string_view line = "GET /watch/x HTTP/1.1") {
  HttpParser parser;
  const std::string text = std::string(line) + "\r\nHost: h\r\n" + fields + "\r\n";
  const auto parsed = parser.parse_head(as_bytes(text));
  REQUIRE(parsed);
  return parser.head();
}

const std::string kKey = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const std::string kUpgrade = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n";
const std::string kVersion = "Sec-WebSocket-Version: 13\r\n";

TEST_CASE("the handshake of RFC 6455 1.3 is accepted as it says there") {
  const RequestHead request = parse(kUpgrade + kKey + kVersion);
  CHECK(asks_for_websocket(request));
  CHECK(accept_websocket(request) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_CASE("a handshake that lacks something is refused") {
  struct Row {
    std::string fields;
    uint16_t status;
    std::string_view line = "GET /watch/x HTTP/1.1";
  };
  for (const Row& row :
       {Row{kUpgrade + kVersion, 400}, Row{kUpgrade + kKey, 426},
        Row{kUpgrade + kKey + "Sec-WebSocket-Version: 8\r\n", 426},
        Row{"Upgrade: websocket\r\n" + kKey + kVersion, 400}, Row{"Connection: Upgrade\r\n" + kKey + kVersion, 400},
        Row{kUpgrade + kKey + kKey + kVersion, 400}, Row{kUpgrade + "Sec-WebSocket-Key: c2hvcnQ=\r\n" + kVersion, 400},
        Row{kUpgrade + kKey + kVersion, 400, "POST /watch/x HTTP/1.1"},
        Row{kUpgrade + kKey + kVersion, 400, "GET /watch/x HTTP/1.0"}}) {
    CAPTURE(row.fields);
    const auto accepted = accept_websocket(parse(row.fields, row.line));
    REQUIRE_FALSE(accepted.has_value());
    CHECK(accepted.error().status == row.status);
  }
}

TEST_CASE("messages arrive whole, fragmented ones and those around a ping too") {
  const Heard heard = hear(frame(0x81, "one") + frame(0x01, "t") + frame(0x89, "p") + frame(0x00, "w") +
                           frame(0x80, "o") + frame(0x82, std::string(300, 'x')));
  CHECK(heard.messages == std::vector<std::string>{"one", "two", std::string(300, 'x')});
  CHECK(heard.output == frame(0x8a, "p", false));  // the ping between fragments is answered
  CHECK_FALSE(heard.ended);
}

TEST_CASE("a close is answered with its code, and nothing is heard afterwards") {
  for (const unsigned number : {1000U, 1001U, 1003U, 1007U, 1011U, 3000U, 4999U}) {
    const auto code = static_cast<uint16_t>(number);
    CAPTURE(code);
    const Heard heard = hear(frame(0x88, close_payload(code, "bye")) + frame(0x81, "late"));
    CHECK(heard.messages.empty());
    CHECK(heard.output.substr(0, 4) == frame(0x88, close_payload(code), false).replace(1, 1, 1, heard.output[1]));
    CHECK(heard.ended);
  }
  CHECK(hear(frame(0x88, "")).output.front() == '\x88');
}

TEST_CASE("each broken rule has its close code") {
  struct Row {
    std::string what;
    std::string input;
    uint16_t code;
  };
  const std::string long_ping(126, 'x');
  const std::vector<Row> rows{
      {"unmasked", frame(0x81, "x", false), 1002},
      {"RSV1", frame(0xc1, "x"), 1002},
      {"RSV2", frame(0xa1, "x"), 1002},
      {"RSV3", frame(0x91, "x"), 1002},
      {"reserved opcode 3", frame(0x83, "x"), 1002},
      {"reserved opcode 11", frame(0x8b, "x"), 1002},
      {"fragmented ping", frame(0x09, "x"), 1002},
      {"long ping", frame(0x89, long_ping), 1002},
      {"continuation of nothing", frame(0x80, "x"), 1002},
      {"text inside a fragmented text", frame(0x01, "x") + frame(0x81, "y"), 1002},
      {"64-bit length with the high bit", "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x01"s + "\x11\x22\x33\x44"s, 1002},
      {"length that fits a shorter form", "\x81\xfe\x00\x05"s + "\x11\x22\x33\x44"s + "xxxxx", 1002},
      {"2 GiB declared", "\x81\xff\x00\x00\x00\x00\x80\x00\x00\x00"s + "\x11\x22\x33\x44x"s, 1009},
      {"one byte too many", frame(0x81, std::string(kMost + 1, 'x')), 1009},
      {"fragments that are too long together", frame(0x01, std::string(kMost, 'x')) + frame(0x80, std::string(1, 'x')),
       1009},
      {"broken UTF-8", frame(0x81, "a\xff"), 1007},
      {"half a character at the end", frame(0x81, "a\xe2\x82"), 1007},
      {"a surrogate", frame(0x81, "\xed\xa0\x80"), 1007},
      {"close with one byte", frame(0x88, "x"), 1002},
      {"close 999", frame(0x88, close_payload(999)), 1002},
      {"close 1004", frame(0x88, close_payload(1004)), 1002},
      {"close 1005", frame(0x88, close_payload(1005)), 1002},
      {"close 1006", frame(0x88, close_payload(1006)), 1002},
      {"close 1015", frame(0x88, close_payload(1015)), 1002},
      {"close 2999", frame(0x88, close_payload(2999)), 1002},
      {"close 5000", frame(0x88, close_payload(5000)), 1002},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Heard heard = hear(row.input);
    REQUIRE(heard.output.size() >= 4);
    CHECK(static_cast<uint8_t>(heard.output[0]) == 0x88);
    CHECK(heard.output.substr(2, 2) == close_payload(row.code));
    CHECK(heard.ended);
  }
}

TEST_CASE("a close whose reason is no UTF-8 is answered with 1007") {
  // In one piece: of a close frame that arrives in several, wslay 1.1.1 does not look at all bytes.
  const std::string input = frame(0x88, close_payload(1000, "\xff"));
  CHECK(hear(input, input.size()).output.substr(2, 2) == close_payload(1007));
}

TEST_CASE("a character may be cut by a fragment") {
  CHECK(hear(frame(0x01, "\xe2") + frame(0x80, "\x82\xac")).messages == std::vector<std::string>{"\xe2\x82\xac"});
}

TEST_CASE("a server's frames are not masked, a client's are, and each understands the other") {
  WebsocketCodec server(WebsocketCodec::Role::server, kMost);
  WebsocketCodec client(WebsocketCodec::Role::client, kMost, fixed_mask);
  server.send("hello", true);
  const std::string out = server.output();
  CHECK(out == frame(0x81, "hello", false));
  std::vector<WebsocketMessage> messages;
  client.feed(as_bytes(out), messages);
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].payload == "hello");
  client.send("back", false);
  client.close(kCloseNormal);
  messages.clear();
  server.feed(as_bytes(client.output()), messages);
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].payload == "back");
  CHECK_FALSE(messages[0].text);
  CHECK(server.input_ended());
  CHECK(server.close_code_received() == kCloseNormal);
  CHECK_FALSE(server.output_ended());
  client.feed(as_bytes(server.output()), messages);
  CHECK(server.output_ended());
  CHECK(client.input_ended());
  server.send("late", true);
  CHECK(server.output().empty());
}

}  // namespace
}  // namespace ringdrop::proto
