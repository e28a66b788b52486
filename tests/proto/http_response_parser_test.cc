#include "proto/http_response_parser.h"

#include <doctest/doctest.h>

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringdrop::proto {
namespace {

// What one response came to, as values that can be compared.
struct Outcome {
  std::string head{};  // see describe()
  std::string body{};
  std::string fault{};  // "" when there is none
  std::size_t consumed = 0;
  bool complete = false;

  bool operator==(const Outcome&) const = default;
};

std::string describe(const ReceivedHead& head) {
  std::string text = std::to_string(head.status);
  if (head.framing == ResponseFraming::content_length) text += " length=" + std::to_string(head.content_length);
  if (head.framing == ResponseFraming::chunked) text += " chunked";
  if (head.framing == ResponseFraming::until_close) text += " until-close";
  if (!head.keep_alive) text += " close";
  if (head.minor_version == 0) text += " http/1.0";
  if (head.interim()) text += " interim";
  for (const Field& field : head.fields) text += " " + field.name + "=" + field.value + ";";
  return text;
}

Outcome run(std::string_view input, std::span<const std::size_t> cuts, std::size_t room, bool to_head,
            HttpResponseLimits limits) {
  HttpResponseParser parser(limits);
  parser.expect(to_head);
  Outcome outcome;
  std::vector<std::byte> output(room);
  std::size_t cut = 0;
  while (outcome.consumed < input.size() && !outcome.complete) {
    while (cut < cuts.size() && cuts[cut] <= outcome.consumed) ++cut;
    const std::size_t end = cut < cuts.size() ? cuts[cut] : input.size();
    const Bytes piece = as_bytes(input.substr(outcome.consumed, end - outcome.consumed));
    if (!parser.head_complete()) {
      const auto consumed = parser.parse_head(piece);
      if (!consumed) return {.fault = consumed.error().reason};
      outcome.consumed += *consumed;
      if (parser.head_complete()) outcome.head = describe(parser.head());
    } else {
      const auto decoded = parser.decode(piece, output);
      if (!decoded) return {.fault = decoded.error().reason};
      REQUIRE(decoded->produced <= room);
      outcome.body += as_text(Bytes(output).first(decoded->produced));
      outcome.consumed += decoded->consumed;
    }
    outcome.complete = parser.head_complete() && parser.body_complete();
  }
  return outcome;
}

// As a whole, byte by byte, and in two at every position, with little and much room: always the same.
Outcome run_every_split(std::string_view input, bool to_head = false, HttpResponseLimits limits = {}) {
  const Outcome whole = run(input, {}, 4096, to_head, limits);
  INFO("input: ", std::string(input));
  std::vector<std::size_t> everywhere(input.size());
  for (std::size_t i = 0; i < input.size(); ++i) everywhere[i] = i;
  for (const std::size_t room : std::array<std::size_t, 3>{1, 3, 4096}) {
    CHECK(run(input, everywhere, room, to_head, limits) == whole);
    CHECK(run(input, {}, room, to_head, limits) == whole);
  }
  for (std::size_t at = 1; at < input.size(); ++at) {
    const std::array<std::size_t, 1> cut{at};
    CHECK(run(input, cut, 4096, to_head, limits) == whole);
  }
  return whole;
}

}  // namespace

TEST_CASE("a response is taken apart, however it arrives") {
  struct Row {
    std::string_view input;
    std::string_view head;
    std::string_view body;
  };
  const std::vector<Row> rows{
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 length=5 Content-Length=5;", "hello"},
      {"HTTP/1.1 201 \r\nContent-Length: 0\r\n\r\n", "201 length=0 Content-Length=0;", ""},
      {"HTTP/1.1 204\r\n\r\n", "204", ""},
      {"HTTP/1.1 204 No Content\r\nUpload-Offset:  7 \r\n\r\n", "204 Upload-Offset=7;", ""},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "304 length-less", ""},
      {"HTTP/1.1 104 Upload Resumption Supported\r\nLocation: /u\r\n\r\n", "104 interim Location=/u;", ""},
      {"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n", "101 Upgrade=websocket;", ""},
      {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "200 length=1 close http/1.0 Content-Length=1;", "x"},
      {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\nx",
       "200 length=1 http/1.0 Content-Length=1; Connection=Keep-Alive;", "x"},
      {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
       "200 length=1 close Connection=close; Content-Length=1;", "x"},
      {"HTTP/1.1 200 \xc3\xa9\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n00A\r\n0123456789\r\n0\r\nT: "
       "x\r\n\r\n",
       "200 chunked Transfer-Encoding=Chunked;", "abc0123456789"},
  };
  for (const Row& row : rows) {
    CAPTURE(std::string(row.input));
    const Outcome outcome = run_every_split(row.input);
    CHECK(outcome.fault == "");
    CHECK(outcome.complete);
    CHECK(outcome.consumed == row.input.size());
    if (row.head != "304 length-less") CHECK(outcome.head == row.head);
    CHECK(outcome.body == row.body);
  }
}

TEST_CASE("what follows a response is left alone") {
  const std::string_view first = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
  CHECK(run_every_split(std::string(first) + "HTTP/1.1 200 OK\r\n").consumed == first.size());
  const std::string_view interim = "HTTP/1.1 103 Early Hints\r\n\r\n";
  CHECK(run_every_split(std::string(interim) + std::string(first)).consumed == interim.size());
}

TEST_CASE("an answer to HEAD has no body, whatever its fields say") {
  for (const std::string_view fields : {"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", ""}) {
    const Outcome outcome = run_every_split("HTTP/1.1 200 OK\r\n" + std::string(fields) + "\r\n", true);
    CHECK(outcome.complete);
    CHECK(outcome.fault == "");
  }
}

TEST_CASE("a body without a length ends with the connection, no other does") {
  const auto ends = [](std::string_view input) {
    HttpResponseParser parser;
    std::array<std::byte, 64> output;
    const auto head = parser.parse_head(as_bytes(input));
    REQUIRE(head.has_value());
    if (parser.head_complete()) REQUIRE(parser.decode(as_bytes(input.substr(*head)), output).has_value());
    return parser.head_complete() && parser.finish_by_close();
  };
  CHECK(ends("HTTP/1.1 200 OK\r\n\r\nabc"));
  CHECK(ends("HTTP/1.1 200 OK\r\n\r\n"));
  CHECK_FALSE(ends("HTTP/1.1 200 OK\r\n"));
  CHECK_FALSE(ends("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"));
  CHECK_FALSE(ends("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"));
  CHECK(ends("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
}

TEST_CASE("what is no response is refused, at the same byte however it arrives") {
  const std::vector<std::string_view> rows{
      "SSH-2.0-OpenSSH_9.2\r\n",
      "ICY 200 OK\r\n\r\n",
      "HTTP/2 200\r\n\r\n",
      "HTTP/2.0 200 OK\r\n\r\n",
      "HTTP/1.x 200 OK\r\n\r\n",
      "HTTP/1.1 20 OK\r\n\r\n",
      "HTTP/1.1 2000 OK\r\n\r\n",
      "HTTP/1.1 099 OK\r\n\r\n",
      "HTTP/1.1 +20 OK\r\n\r\n",
      "HTTP/1.1  200 OK\r\n\r\n",
      "HTTP/1.1 200\tOK\r\n\r\n",
      "HTTP/1.1 200 OK\n\r\n",
      "HTTP/1.1 200 O\rK\r\n\r\n",
      "HTTP/1.1 200 O\x01K\r\n\r\n",
      "\r\nHTTP/1.1 200 OK\r\n\r\n",
      "HTTP/1.1 200 OK\r\nA: b\n\r\n",
      "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
      "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
      "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
      "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
      "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000001\r\nx\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n bad\r\n\r\n",
  };
  for (const std::string_view input : rows) {
    CAPTURE(std::string(input));
    const Outcome outcome = run_every_split(input);
    CHECK(outcome.fault != "");
    CHECK_FALSE(outcome.complete);
  }
  // A wrong byte behind content: the content is delivered, the next call fails.
  HttpResponseParser parser;
  const std::string_view head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  REQUIRE(parser.parse_head(as_bytes(head)).has_value());
  std::array<std::byte, 16> output;
  const auto decoded = parser.decode(as_bytes("1\r\nxyz"), output);
  REQUIRE(decoded.has_value());
  CHECK(decoded->produced == 1);
  CHECK_FALSE(parser.decode(as_bytes("yz"), output).has_value());
}

TEST_CASE("heads have bounds") {
  HttpResponseLimits limits;
  limits.head_bytes = 64;
  limits.fields = 3;
  CHECK(run_every_split("HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\nE: f\r\nContent-Length: 0\r\n\r\n", false, limits).fault !=
        "");
  CHECK(run_every_split("HTTP/1.1 200 " + std::string(100, 'x') + "\r\n\r\n", false, limits).fault != "");
  CHECK(run_every_split("HTTP/1.1 200 OK\r\nA: " + std::string(100, 'x') + "\r\n\r\n", false, limits).fault != "");
  CHECK(run_every_split("HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 0\r\n\r\n", false, limits).complete);
}

}  // namespace ringdrop::proto
