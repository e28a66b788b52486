#include <doctest/doctest.h>
#include <malloc.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "proto/http_parser.h"
#include "tests/proto/exchange.h"

using namespace std::string_literals;
using namespace std::string_view_literals;

namespace ringdrop::proto {
namespace {

const std::string kHead = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

Outcome run_body(std::string_view body, HttpParserLimits limits = {}) {
  return run_every_split(kHead + std::string(body), limits);
}

void check_complete(std::string_view body, std::string_view content) {
  const Outcome outcome = run_body(body);
  CAPTURE(std::string(body));
  CAPTURE(outcome.reason);
  CHECK(outcome.refused == "");
  CHECK(outcome.complete);
  CHECK(outcome.body == content);
  CHECK(outcome.consumed == kHead.size() + body.size());
}

void check_refused(std::string_view body, std::string_view answer = "400 bad_request") {
  const Outcome outcome = run_body(body);
  CAPTURE(std::string(body.substr(0, 200)));
  CHECK(outcome.refused == answer);
  CHECK_FALSE(outcome.complete);
}

}  // namespace

TEST_CASE("a chunked body is decoded") {
  check_complete("0\r\n\r\n", "");
  check_complete("5\r\nhello\r\n0\r\n\r\n", "hello");
  check_complete("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world");
  check_complete("0000000000000005\r\nhello\r\n00\r\n\r\n", "hello");
  check_complete("a\r\n0123456789\r\nB\r\n01234567890\r\n0\r\n\r\n", "012345678901234567890");
  check_complete("4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n");
  check_complete("3\r\n\0\xff\n\r\n0\r\n\r\n"s, "\0\xff\n"s);
}

TEST_CASE("bytes behind the last chunk are left alone") {
  const std::string body = "1\r\na\r\n0\r\n\r\n";
  const Outcome outcome = run_body(body + "GET / HTTP/1.1\r\n");
  CHECK(outcome.complete);
  CHECK(outcome.consumed == kHead.size() + body.size());
}

TEST_CASE("a body that has not ended is not complete") {
  const std::string body = "5;a=b\r\nhello\r\n0\r\nT: x\r\n\r\n";
  for (std::size_t length = 0; length < body.size(); ++length) {
    const Outcome outcome = run_exchange(kHead + body.substr(0, length), {}, 100);
    CHECK(outcome.refused == "");
    CHECK_FALSE(outcome.complete);
  }
}

TEST_CASE("chunk extensions are checked and ignored") {
  check_complete("5;a\r\nhello\r\n0\r\n\r\n", "hello");
  check_complete("5;a=b\r\nhello\r\n0;c\r\n\r\n", "hello");
  check_complete("5;a=b;c=d;e\r\nhello\r\n0\r\n\r\n", "hello");
  check_complete("5;a=\"b;\\\"c\\\\\t\xc3\xa9\";d=\"\"\r\nhello\r\n0\r\n\r\n", "hello");
  check_complete("5 ; a = b ;\tc\r\nhello\r\n0\r\n\r\n", "hello");
  for (const std::string_view line :
       {"5;", "5;;a", "5;=b", "5;a=", "5;a=b=c", "5;a b", "5;a ", "5 ", "5\t", "5 6", "5;a=\"b", "5;a=\"b\"c",
        "5;a=\"b\\", "5;a(=b", "5;\x01", "5;a=\"\x01\"", "5;a\xc3\xa9", "5,a"}) {
    check_refused(std::string(line) + "\r\nhello\r\n0\r\n\r\n");
  }
}

TEST_CASE("line ends inside of chunk lines are refused (CVE-2025-22871, CVE-2025-55315)") {
  check_refused("5\nhello\r\n0\r\n\r\n");
  check_refused("5\rhello\r\n0\r\n\r\n");
  check_refused("5\r\rhello\r\n0\r\n\r\n");
  check_refused("5;\n\r\nhello\r\n0\r\n\r\n");
  check_refused("5;\nhello\r\n0\r\n\r\n");
  check_refused("5;a\nhello\r\n0\r\n\r\n");
  check_refused("5;a=b\nhello\r\n0\r\n\r\n");
  check_refused("5;a\rb\r\nhello\r\n0\r\n\r\n");
  check_refused("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n");
  check_refused("5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n");
  check_refused("5\r\nhello\r\n0\n\r\n");
  check_refused("5\r\nhello\r\n0\r\n\n");
  check_refused("5\r\nhello\r\n0\r\n\rX");
}

TEST_CASE("a chunk size is 1 to 16 hexadecimal digits") {
  for (const std::string_view size :
       {""sv, "0x5"sv, "+5"sv, "-5"sv, "5_0"sv, " 5"sv, "\t5"sv, "g"sv, "5g"sv, "5h"sv, "\"5\""sv, ";a"sv, "5\0"sv}) {
    check_refused(std::string(size) + "\r\nhello\r\n0\r\n\r\n");
  }
  check_refused("00000000000000005\r\nhello\r\n0\r\n\r\n");
  check_refused("10000000000000005\r\nhello\r\n0\r\n\r\n");
  check_refused("\r\n5\r\nhello\r\n0\r\n\r\n");
}

TEST_CASE("the largest chunk sizes overflow nothing (CVE-2013-2028)") {
  for (const std::string_view size : {"ffffffffffffffff", "8000000000000000", "7fffffffffffffff", "FFFFFFFFFFFFFFFE"}) {
    const Outcome outcome = run_body(std::string(size) + "\r\nhello\r\n0\r\n\r\n");
    CHECK(outcome.refused == "");
    CHECK(outcome.body == "hello\r\n0\r\n\r\n");
    CHECK_FALSE(outcome.complete);
  }
}

TEST_CASE("the data of a chunk is followed by exactly CRLF") {
  check_refused("5\r\nhelloXX0\r\n\r\n");
  check_refused("5\r\nhello0\r\n\r\n");
  check_refused("5\r\nhello\n0\r\n\r\n");
  check_refused("5\r\nhello\rX0\r\n\r\n");
  check_refused("5\r\nhello\n\r0\r\n\r\n");
  check_refused("4\r\nhello\r\n0\r\n\r\n");
  check_refused("6\r\nhello\r\n0\r\n\r\n");
}

TEST_CASE("content before the error is delivered, however the input is split") {
  CHECK(run_body("5\r\nhello\r\n2\r\nab\r\nx").body == "helloab");
  CHECK(run_body("5\r\nhelloXX").body == "hello");
}

TEST_CASE("large chunk extensions are refused, a line or a body (CVE-2024-22019, CVE-2023-39326)") {
  const HttpParserLimits limits;
  const std::string fits = ";" + std::string(limits.chunk_extension_bytes_line - 1, 'a');
  CHECK(run_body("1" + fits + "\r\na\r\n0\r\n\r\n").refused == "");
  check_refused("1" + fits + "a\r\na\r\n0\r\n\r\n");
  check_refused("1" + fits + "a");
  std::string body;
  for (std::size_t i = 0; i < limits.chunk_extension_bytes_body / limits.chunk_extension_bytes_line; ++i) {
    body += "1" + fits + "\r\na\r\n";
  }
  CHECK(run_body(body + "0\r\n\r\n").body == "aaaa");
  check_refused(body + "0;a\r\n\r\n");
  CHECK(run_body(body + "0;a\r\n\r\n").body == "aaaa");
}

TEST_CASE("trailers change nothing of the head, whatever they say (CVE-2023-46589)") {
  check_complete("1\r\na\r\n0\r\nA: b\r\n\r\n", "a");
  check_complete("1\r\na\r\n0\r\nA: b\r\nC:\r\n\r\n", "a");
  check_complete(
      "1\r\na\r\n0\r\nContent-Length: 5\r\nContent-Length: 6\r\nTransfer-Encoding: "
      "chunked\r\nTransfer-Encoding: gzip\r\n"
      "Host: other\r\nHost: b\r\nAuthorization: x\r\nConnection: close\r\n\r\n",
      "a");
  HttpParser parser;
  const std::string input = kHead + "0\r\nHost: other\r\nX: y\r\n\r\n";
  const auto head = parser.parse_head(as_bytes(input));
  REQUIRE(head);
  REQUIRE(parser.decode_chunked(as_bytes(input).subspan(*head), {}));
  CHECK(parser.body_complete());
  CHECK(parser.head().host == "h");
  CHECK(parser.head().fields.size() == 2);
}

TEST_CASE("trailers are kept apart from the head, however they are split, until the next message") {
  const std::string body = "1\r\na\r\n0\r\nUpload-Checksum: sha1 abc \r\nB:\r\n\r\n";
  for (std::size_t cut = 0; cut <= body.size(); ++cut) {
    CAPTURE(cut);
    HttpParser parser;
    REQUIRE(parser.parse_head(as_bytes(kHead)));
    std::array<std::byte, 8> room;
    for (const std::string_view piece : {std::string_view(body).substr(0, cut), std::string_view(body).substr(cut)}) {
      for (Bytes left = as_bytes(piece); !left.empty();) {
        const auto decoded = parser.decode_chunked(left, room);
        REQUIRE(decoded);
        left = left.subspan(decoded->consumed);
      }
    }
    REQUIRE(parser.body_complete());
    REQUIRE(parser.trailers().size() == 2);
    CHECK(parser.trailers().find("upload-checksum") == "sha1 abc");
    CHECK(parser.trailers().find("B") == "");
    parser.reset();
    CHECK(parser.trailers().size() == 0);
  }
}

TEST_CASE("malformed trailers are refused") {
  for (const std::string_view trailer : {" A: b\r\n", "\tA: b\r\n", "A : b\r\n", "A: b\r\n c\r\n", "A\r\n", ": b\r\n",
                                         "A: b\n", "A: b\rc\r\n", "A: \x01\r\n", "A(: b\r\n", "GET / HTTP/1.1\r\n"}) {
    check_refused("1\r\na\r\n0\r\n" + std::string(trailer) + "\r\n");
  }
  check_refused("0\r\nA: \0\r\n\r\n"s);
}

TEST_CASE("trailers over their limit are answered with 431") {
  const HttpParserLimits limits;
  const std::size_t fixed = std::string_view("A: \r\n\r\n").size();
  const std::string fits = "0\r\nA: " + std::string(limits.trailer_bytes - fixed, 'b') + "\r\n\r\n";
  CHECK(run_body(fits).complete);
  check_refused("0\r\nA: " + std::string(limits.trailer_bytes - fixed + 1, 'b') + "\r\n\r\n", "431 header_too_large");
  std::string many;
  for (int i = 0; i < 101; ++i) many += "A:\r\n";
  check_refused("0\r\n" + many + "\r\n", "431 header_too_large");
}

TEST_CASE("a chunked request to upgrade has a body like others") {
  const Outcome outcome = run_every_split(
      "POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\nTransfer-Encoding: "
      "chunked\r\n\r\n"
      "5\r\nhello\r\n0\r\n\r\nmore");
  CHECK(outcome.complete);
  CHECK(outcome.body == "hello");
}

TEST_CASE("without room only content waits") {
  HttpParser parser;
  const std::string input = kHead + "2\r\nab\r\n0\r\n\r\n";
  const auto head = parser.parse_head(as_bytes(input));
  REQUIRE(head);
  Bytes rest = as_bytes(input).subspan(*head);
  auto decoded = parser.decode_chunked(rest, {});
  REQUIRE(decoded);
  CHECK(decoded->consumed == 3);  // "2\r\n"
  std::array<std::byte, 2> output{};
  rest = rest.subspan(decoded->consumed);
  decoded = parser.decode_chunked(rest, output);
  REQUIRE(decoded);
  CHECK(decoded->consumed == rest.size());
  CHECK(decoded->produced == 2);
  CHECK(parser.body_complete());
  decoded = parser.decode_chunked(as_bytes("GET"), output);
  REQUIRE(decoded);
  CHECK(decoded->consumed == 0);
}

TEST_CASE("a body may be decoded in place") {
  std::string content;
  std::string body;
  for (std::size_t i = 0; i < 200; ++i) {
    const std::string chunk(1 + i % 37, static_cast<char>('a' + i % 26));
    content += chunk;
    body += std::string(i % 3 == 0 ? "00" : "") + (chunk.size() > 15 ? (chunk.size() > 31 ? "2" : "1") : "");
    body += "0123456789abcdef"[chunk.size() % 16];
    body += "\r\n" + chunk + "\r\n";
  }
  body += "0\r\n\r\n";
  HttpParser parser;
  REQUIRE(parser.parse_head(as_bytes(kHead)));
  std::vector<std::byte> memory(body.size());
  std::memcpy(memory.data(), body.data(), body.size());
  const auto decoded = parser.decode_chunked(memory, memory);
  REQUIRE(decoded);
  CHECK(decoded->consumed == body.size());
  CHECK(as_text(Bytes(memory).first(decoded->produced)) == content);
  CHECK(parser.body_complete());
}

TEST_CASE("one parser serves request after request") {
  HttpParser parser;
  std::array<std::byte, 16> output{};
  for (int i = 0; i < 5; ++i) {
    const std::string input = kHead + "5;x\r\nhello\r\n0\r\nT: t\r\n\r\n";
    const auto head = parser.parse_head(as_bytes(input));
    REQUIRE(head);
    CHECK_FALSE(parser.body_complete());
    const auto decoded = parser.decode_chunked(as_bytes(input).subspan(*head), output);
    REQUIRE(decoded);
    CHECK(decoded->produced == 5);
    CHECK(parser.body_complete());
    parser.reset();
  }
}

TEST_CASE("the memory of long trailers is given back with the message") {
  const HttpParserLimits limits;
  const std::string long_trailer = "0\r\nA: " + std::string(limits.trailer_bytes - 100, 'b') + "\r\n\r\n";
  HttpParser parser;
  const auto pass = [&parser](std::string_view body) {
    std::array<std::byte, 16> output{};
    REQUIRE(parser.parse_head(as_bytes(kHead)));
    REQUIRE(parser.decode_chunked(as_bytes(body), output));
    REQUIRE(parser.body_complete());
    parser.reset();
  };
  pass("0\r\n\r\n");
  const std::size_t before = mallinfo2().uordblks;  // a sanitizer's allocator is not seen
  pass(long_trailer);
  CHECK(mallinfo2().uordblks < before + limits.trailer_bytes / 2);
}

TEST_CASE("a parser that was reset knows nothing of the message before, small or large") {
  for (const std::size_t padding : {0UL, 10'000UL}) {
    CAPTURE(padding);
    HttpParser parser;
    std::array<std::byte, 16> output{};
    for (int i = 0; i < 3; ++i) {
      const std::string full =
          "PUT /a/path/that/is/long?and=query HTTP/1.0\r\nHost: somewhere.example.org:8080\r\nX: " +
          std::string(padding, 'x') + "\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n";
      REQUIRE(parser.parse_head(as_bytes(full)));
      CHECK(parser.head().query == "and=query");
      CHECK(parser.head().content_length == 5);
      parser.reset();
      const std::string chunked = "POST /b HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nConnection: close\r\nX: " +
                                  std::string(padding, 'x') + "\r\nTransfer-Encoding: chunked\r\n\r\n";
      REQUIRE(parser.parse_head(as_bytes(chunked)));
      CHECK(parser.head().method == Method::post);
      CHECK(parser.head().path == "/b");
      CHECK(parser.head().query.empty());
      CHECK(parser.head().host == "h");
      CHECK(parser.head().minor_version == 1);
      CHECK(parser.head().content_length == 0);
      CHECK(parser.head().fields.size() == 5);
      REQUIRE(parser.decode_chunked(as_bytes(std::string_view("2\r\nok\r\n0\r\nT: t\r\n\r\n")), output));
      CHECK(parser.body_complete());
      CHECK(parser.trailers().size() == 1);
      parser.reset();
      CHECK_FALSE(parser.head_started());
      REQUIRE(parser.parse_head(as_bytes(std::string_view("GET /c HTTP/1.1\r\nHost: i\r\n\r\n"))));
      CHECK(parser.head().method_text == "GET");
      CHECK(parser.head().target == "/c");
      CHECK(parser.head().host == "i");
      CHECK(parser.head().keep_alive);
      CHECK_FALSE(parser.head().expects_continue);
      CHECK(parser.head().framing == BodyFraming::none);
      CHECK(parser.head().fields.size() == 1);
      CHECK(parser.body_complete());
      CHECK(parser.trailers().empty());
      parser.reset();
    }
  }
}

}  // namespace ringdrop::proto
