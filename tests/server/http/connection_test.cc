// Connections by raw bytes: framing, order, keep-alive and its end, deadlines, stops.
#include "server/http/connection.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/http/echo_world.h"

namespace ringdrop::http {
namespace {

using io::Result;
using io::Task;
using sim::Response;
using sim::SimClient;

const std::string kGet = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

TEST_CASE("a connection answers request after request") {
  EchoWorld echo(1);
  SimClient client = echo.client();
  for (int i = 0; i < 3; ++i) {
    REQUIRE(echo.run(client.send(kGet)));
    const Result<Response> answer = echo.run(client.receive());
    REQUIRE(answer);
    CHECK(answer->status == 200);
    CHECK(answer->body == "GET /a\n");
    CHECK_FALSE(answer->fields.contains("connection"));
    CHECK(answer->fields.contains("date"));
  }
}

TEST_CASE("pipelined requests are answered in order, however the bytes are cut") {
  const std::string bytes =
      "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
      "PUT /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
      "PUT /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n"
      "HEAD /4 HTTP/1.1\r\nHost: h\r\n\r\n"
      "GET /5 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  const std::vector<std::string> bodies = {"GET /1\n", "PUT /2\nhello", "PUT /3\nabcde", "", "GET /5\n"};
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    CAPTURE(cut);
    EchoWorld echo(cut);
    SimClient client = echo.client();
    REQUIRE(echo.run(client.send(std::string_view(bytes).substr(0, cut))));
    echo.world.run_for(io::Milliseconds(20));
    REQUIRE(echo.run(client.send(std::string_view(bytes).substr(cut))));
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      const Result<Response> answer = echo.run(client.receive(i == 3));
      REQUIRE(answer);
      CHECK(answer->status == 200);
      CHECK(answer->body == bodies[i]);
    }
    CHECK(echo.run(client.is_ended()));
  }
}

TEST_CASE("a thousand pipelined requests come back in order and hold one buffer at most") {
  EchoWorld echo(3);
  SimClient client = echo.client();
  io::TaskScope scope(echo.client_loop);
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += fmt::format("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", i);
  const auto sender = [&]() -> Task<> { static_cast<void>(co_await client.send(bytes)); };
  scope.spawn(sender());
  for (int i = 0; i < 1000; ++i) {
    const Result<Response> answer = echo.run(client.receive());
    REQUIRE(answer);
    CHECK(answer->body == fmt::format("GET /{}\n", i));
    CHECK(echo.pool.lent_bytes() <= io::kSmallBufferBytes);
  }
  echo.run(scope.join());
}

// `content` in chunks of 1 to `most` bytes.
std::string chunked(std::string_view content, std::size_t most, uint64_t seed) {
  std::string bytes;
  for (uint64_t turn = seed; !content.empty(); ++turn) {
    const std::string_view chunk = content.substr(0, 1 + turn * 7'919 % most);
    bytes += fmt::format("{:x}\r\n{}\r\n", chunk.size(), chunk);
    content.remove_prefix(chunk.size());
  }
  return bytes + "0\r\n\r\n";
}

TEST_CASE("a chunked body that is read in large pieces is whole, and so are the requests behind it") {
  constexpr std::size_t kSize = 300'000;
  constexpr std::size_t kMostChunks[] = {100, 5'000, 40'000, 150'000, 600'000};
  for (const std::size_t most : kMostChunks) {
    for (uint64_t seed = 0; seed < 8; ++seed) {
      CAPTURE(most);
      CAPTURE(seed);
      EchoWorld echo(seed);
      SimClient client = echo.client();
      const std::string content = sim::content_of(seed, kSize);
      const std::string bytes =
          "PUT /pieces HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(content, most, seed);
      // Some that come along with the body's end, at times more than the connection keeps without a buffer.
      std::string behind;
      for (int i = 0; i < 300; ++i) behind += fmt::format("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", i);
      io::TaskScope scope(echo.client_loop);
      const auto sender = [&]() -> Task<> { static_cast<void>(co_await client.send(bytes + behind)); };
      scope.spawn(sender());
      const Result<Response> whole = echo.run(client.receive());
      REQUIRE(whole);
      CHECK(whole->body == "PUT /pieces\n" + content);
      for (int i = 0; i < 300; ++i) {
        const Result<Response> answer = echo.run(client.receive());
        REQUIRE(answer);
        CHECK(answer->body == fmt::format("GET /{}\n", i));
      }
      echo.run(scope.join());
    }
  }
}

TEST_CASE("a chunked body that breaks while it is read in large pieces is refused") {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    CAPTURE(seed);
    EchoWorld echo(seed);
    SimClient client = echo.client();
    std::string bytes = chunked(sim::content_of(seed, 200'000), 60'000, seed);
    bytes.replace(bytes.size() - 5, 5, "no size\r\n");
    const std::string head = "PUT /pieces HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    REQUIRE(echo.run(client.send(head + bytes)));
    const Result<Response> answer = echo.run(client.receive());
    REQUIRE(answer);
    CHECK(answer->status == 400);
    CHECK(echo.run(client.is_ended()));
  }
}

TEST_CASE("broken framing that comes alone behind content is refused at once") {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    CAPTURE(seed);
    EchoWorld echo(seed);
    SimClient client = echo.client();
    const std::string head = "PUT /pieces HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    REQUIRE(echo.run(client.send(head + fmt::format("{:x}\r\n{}", 50'000, std::string(50'000, 'x')))));
    echo.world.run_for(io::Milliseconds(2));  // the server waits for a little more of it
    const io::TimePoint sent = echo.client_loop.now();
    REQUIRE(echo.run(client.send("\r\nz")));
    const Result<Response> answer = echo.run(client.receive());
    REQUIRE(answer);
    CHECK(answer->status == 400);
    CHECK(echo.client_loop.now() - sent < std::chrono::seconds(1));
  }
}

TEST_CASE("a chunk of nearly 2^64 bytes is taken as far as it comes") {
  EchoWorld echo(4);
  SimClient client = echo.client();
  const std::string head = "PUT /pieces HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  REQUIRE(echo.run(client.send(head + "FFFFFFFFFFFFC000\r\n")));
  echo.world.run_for(io::Milliseconds(100));
  // More than lies between the two unread.
  CHECK(echo.run(client.send(std::string(1'000'000, 'x'))));
  REQUIRE(echo.run(client.end_sending()));
  CHECK(echo.run(client.is_ended()));
}

TEST_CASE("requests that are lost behind a chunked body for want of a buffer are not promised an answer") {
  constexpr int kBehind = 300;
  int closed = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    EchoWorld echo(seed);
    SimClient client = echo.client();
    const std::string content = sim::content_of(seed, 40'000);
    const std::string head = "PUT /pieces HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    REQUIRE(echo.run(client.send(head + fmt::format("{:x}\r\n{}", content.size(), content.substr(0, 20'000)))));
    echo.world.run_for(io::Milliseconds(100));
    std::vector<io::Buffer> taken;
    while (std::optional<io::Buffer> buffer = echo.pool.try_small(io::BufferPool::Use::other)) {
      taken.push_back(std::move(*buffer));
    }
    std::string behind;
    for (int i = 0; i < kBehind; ++i) behind += fmt::format("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", i);
    io::TaskScope scope(echo.client_loop);
    const auto sender = [&]() -> Task<> {
      static_cast<void>(co_await client.send(content.substr(20'000) + "\r\n0\r\n\r\n" + behind));
    };
    scope.spawn(sender());
    echo.world.run_for(io::Milliseconds(100));
    taken.clear();
    const Result<Response> whole = echo.run(client.receive());
    REQUIRE(whole);
    CHECK(whole->body == "PUT /pieces\n" + content);
    const bool closes = whole->fields.contains("connection");
    closed += closes ? 1 : 0;
    if (closes) CHECK(echo.run(client.is_ended()));
    for (int i = 0; i < kBehind && !closes; ++i) REQUIRE(echo.run(client.receive()));
    scope.request_stop();
    echo.run(scope.join());
  }
  CHECK(closed > 0);
}

TEST_CASE("a body whose beginning was given up while its client read no interim response is not taken") {
  const std::string early(20'000, 'e');
  const std::string late(20'000, 'l');
  const std::string head = "PUT /hints HTTP/1.1\r\nHost: h\r\nContent-Length: 40000\r\n\r\n";
  int refused = 0;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    CAPTURE(seed);
    EchoWorld echo(seed);
    SimClient client = echo.client();
    // Where it comes in small portions, the server has given up before its end.
    if (!echo.run(client.send(head + early))) continue;
    echo.world.run_for(io::Milliseconds(1'000));
    io::TaskScope scope(echo.client_loop);
    // More than was announced: it would fill the gap.
    const auto sender = [&]() -> Task<> { static_cast<void>(co_await client.send(late + late)); };
    scope.spawn(sender());
    const Result<Response> answer = echo.run(client.receive());
    if (answer) CHECK(answer->body == "PUT /hints\n" + early + late);
    refused += answer ? 0 : 1;
    scope.request_stop();
    echo.run(scope.join());
  }
  CHECK(refused > 0);
}

TEST_CASE("an idle connection holds no buffer") {
  EchoWorld echo(4);
  std::vector<SimClient> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(echo.client());
    REQUIRE(echo.run(clients.back().send(kGet)));
    REQUIRE(echo.run(clients.back().receive()));
  }
  CHECK(echo.connections.size() == 50);
  CHECK(echo.pool.lent_bytes() == 0);
}

struct Refusal {
  const char* bytes;
  int status;
};

TEST_CASE("bytes that are no acceptable request are refused, and the connection ends") {
  const Refusal refusals[] = {
      {"GET /a HTTP/1.1\r\n\r\n", 400},
      {"GET /a HTTP/2.0\r\nHost: h\r\n\r\n", 505},
      {"FOO /a HTTP/1.1\r\nHost: h\r\n\r\n", 501},
      {"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400},
      {"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {"PUT /a HTTP/1.1\r\nHost: h\r\nExpect: magic\r\nContent-Length: 1\r\n\r\n", 417},
      {"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400},
      {"GET /a HTTP/1.1\nHost: h\n\n", 400},
  };
  for (const Refusal& refusal : refusals) {
    CAPTURE(refusal.bytes);
    EchoWorld echo(5);
    SimClient client = echo.client();
    REQUIRE(echo.run(client.send(refusal.bytes)));
    const Result<Response> answer = echo.run(client.receive());
    REQUIRE(answer);
    CHECK(answer->status == refusal.status);
    CHECK(answer->fields.at("connection") == "close");
    CHECK(echo.run(client.is_ended()));
  }
}

TEST_CASE("100 Continue is sent once, when the body is asked for and not there yet") {
  EchoWorld echo(6);
  SimClient client = echo.client();
  const std::string head = "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
  REQUIRE(echo.run(client.send(head)));
  echo.world.run_for(io::Milliseconds(20));
  REQUIRE(echo.run(client.send("hello")));
  const Result<Response> answer = echo.run(client.receive());
  REQUIRE(answer);
  CHECK(answer->body == "PUT /a\nhello");
  CHECK(client.interim_responses() == 1);
  REQUIRE(echo.run(client.send(kGet)));
  CHECK(echo.run(client.receive()));
}

TEST_CASE("a refusal instead of 100 Continue ends the connection, since the body may or may not come") {
  EchoWorld echo(7);
  SimClient client = echo.client();
  REQUIRE(
      echo.run(client.send("PUT /ignore HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")));
  const Result<Response> answer = echo.run(client.receive());
  REQUIRE(answer);
  CHECK(client.interim_responses() == 0);
  CHECK(echo.run(client.is_ended()));
}

TEST_CASE("a small body that nobody read is skipped, and the connection goes on") {
  EchoWorld echo(8);
  SimClient client = echo.client();
  const std::string body(30'000, 'x');
  const std::string head = fmt::format("PUT /ignore HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.size());
  REQUIRE(echo.run(client.send(head + body + kGet)));
  REQUIRE(echo.run(client.receive()));
  const Result<Response> next = echo.run(client.receive());
  REQUIRE(next);
  CHECK(next->body == "GET /a\n");
}

TEST_CASE("a large body that nobody read ends the connection after the answer") {
  EchoWorld echo(9);
  SimClient client = echo.client();
  REQUIRE(echo.run(client.send("PUT /ignore HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\nsome of it")));
  CHECK(echo.run(client.receive()));
  CHECK(echo.run(client.is_ended()));
}

TEST_CASE("a streamed answer is chunked, and delimited by the end of the connection for HTTP/1.0") {
  EchoWorld echo(10);
  SimClient client = echo.client();
  REQUIRE(echo.run(client.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")));
  const Result<Response> answer = echo.run(client.receive());
  REQUIRE(answer);
  CHECK(answer->fields.at("transfer-encoding") == "chunked");
  CHECK_FALSE(answer->fields.contains("content-length"));
  SimClient old = echo.client();
  REQUIRE(echo.run(old.send("GET /stream HTTP/1.0\r\n\r\n")));
  const Result<Response> plain = echo.run(old.receive());
  REQUIRE(plain);
  CHECK_FALSE(plain->fields.contains("transfer-encoding"));
  CHECK(plain->fields.at("connection") == "close");
}

TEST_CASE("a HEAD of unknown length has no body to be delimited, and leaves the connection open") {
  EchoWorld echo(15);
  for (const char* version : {"1.0\r\nConnection: keep-alive", "1.1\r\nHost: h"}) {
    SimClient client = echo.client();
    for (int i = 0; i < 2; ++i) {
      REQUIRE(echo.run(client.send(fmt::format("HEAD /stream HTTP/{}\r\n\r\n", version))));
      const Result<Response> answer = echo.run(client.receive(true));
      REQUIRE(answer);
      CHECK(answer->status == 200);
      CHECK_FALSE(answer->fields.contains("transfer-encoding"));
    }
  }
}

TEST_CASE("short requests make a loop one that is asked often, the pieces of an upload do not") {
  const std::string content(300'000, 'x');
  const std::string head = "PUT /pieces HTTP/1.1\r\nHost: h\r\n";
  const std::string sized = head + fmt::format("Content-Length: {}\r\n\r\n{}", content.size(), content);
  const std::string in_chunks = head + "Transfer-Encoding: chunked\r\n\r\n" + chunked(content, 600'000, 1);
  const std::string short_one = head + "Transfer-Encoding: chunked\r\n\r\n" + chunked("short", 10, 1);
  for (const std::string& large : {sized, in_chunks}) {
    EchoWorld echo(16);
    const auto is_often_after = [&](SimClient& client, std::string_view bytes) {
      REQUIRE(echo.run(client.send(bytes)));
      REQUIRE(echo.run(client.receive()));
      return echo.loop.health().is_asked_often(echo.loop.now());
    };
    SimClient uploading = echo.client();
    const std::size_t most_of_it = large.size() - 100;
    REQUIRE(echo.run(uploading.send(std::string_view(large).substr(0, most_of_it))));
    SimClient client = echo.client();
    for (int i = 0; i < 9; ++i) CHECK_FALSE(is_often_after(client, short_one));
    CHECK_FALSE(is_often_after(uploading, std::string_view(large).substr(most_of_it)));
    CHECK(is_often_after(client, short_one));  // so all of it was soon enough
  }
}

TEST_CASE("HTTP/1.0 ends after one answer unless keep-alive was asked for") {
  EchoWorld echo(11);
  SimClient once = echo.client();
  REQUIRE(echo.run(once.send("GET /a HTTP/1.0\r\n\r\n")));
  CHECK(echo.run(once.receive()));
  CHECK(echo.run(once.is_ended()));
  SimClient kept = echo.client();
  for (int i = 0; i < 2; ++i) {
    REQUIRE(echo.run(kept.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")));
    const Result<Response> answer = echo.run(kept.receive());
    REQUIRE(answer);
    CHECK(answer->fields.at("connection") == "keep-alive");
  }
}

TEST_CASE("a half-closed connection still gets its answer") {
  EchoWorld echo(12);
  SimClient client = echo.client();
  REQUIRE(echo.run(client.send(kGet)));
  REQUIRE(echo.run(client.end_sending()));
  const Result<Response> answer = echo.run(client.receive());
  REQUIRE(answer);
  CHECK(answer->status == 200);
  CHECK(echo.run(client.is_ended()));
}

TEST_CASE("a head that trickles is given up after head_timeout, whatever arrives in between") {
  EchoWorld echo(13);
  SimClient client = echo.client();
  REQUIRE(echo.run(client.send("GET /a HTTP/1.1\r\n")));
  const io::TimePoint began = echo.world.now();
  const auto trickle = [&]() -> Task<> {
    for (int i = 0; i < 1000; ++i) {
      io::WaitList pause(echo.client_loop, "a pause");
      const std::stop_token never;
      static_cast<void>(co_await pause.wait(echo.client_loop.now() + io::Milliseconds(500), never));
      const Result<> sent = co_await client.send("X-A: b\r\n");
      if (!sent) co_return;
    }
  };
  io::TaskScope scope(echo.client_loop);
  scope.spawn(trickle());
  const Result<Response> answer = echo.run(client.receive());
  REQUIRE(answer);
  CHECK(answer->status == 408);
  CHECK(echo.world.now() - began < echo.limits.head_timeout + io::Milliseconds(2'000));
  echo.run(scope.join());
}

TEST_CASE("an idle connection ends without a word after idle_timeout") {
  EchoWorld echo(14);
  SimClient client = echo.client();
  REQUIRE(echo.run(client.send(kGet)));
  REQUIRE(echo.run(client.receive()));
  const auto wait_for_end = [&]() -> Task<bool> {
    // The client's own patience is a minute: twice that is longer than the idle time.
    const bool first = co_await client.is_ended();
    if (first) co_return true;
    co_return co_await client.is_ended();
  };
  CHECK(echo.run(wait_for_end()));
}

TEST_CASE("a body that stalls ends the connection after stall_timeout") {
  HttpLimits limits;
  limits.stall_timeout = io::Milliseconds(10'000);
  limits.min_transfer_bytes = 1'000;
  EchoWorld echo(15, limits);
  SimClient client = echo.client();
  REQUIRE(echo.run(client.send("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nabc")));
  CHECK(echo.run(client.is_ended()));
  CHECK(echo.connections.size() == 0);
}

TEST_CASE("draining ends idle connections at once and lets a running request finish, saying close") {
  EchoWorld echo(16);
  SimClient idle = echo.client();
  REQUIRE(echo.run(idle.send(kGet)));
  REQUIRE(echo.run(idle.receive()));
  SimClient busy = echo.client();
  REQUIRE(echo.run(busy.send("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe")));
  echo.world.run_for(io::Milliseconds(20));
  const io::TimePoint before = echo.world.now();
  echo.loop.post([&] { echo.connections.drain(); });
  CHECK(echo.run(idle.is_ended()));
  CHECK(echo.world.now() - before < io::Milliseconds(2'500));
  REQUIRE(echo.run(busy.send("llo")));
  const Result<Response> answer = echo.run(busy.receive());
  REQUIRE(answer);
  CHECK(answer->body == "PUT /a\nhello");
  CHECK(answer->fields.at("connection") == "close");
  CHECK(echo.run(busy.is_ended()));
  sim::run_task(echo.world, echo.loop, echo.connections.join());
}

TEST_CASE("more connections than allowed are told 503 and when to come again") {
  EchoWorld echo(17, HttpLimits{}, 2);
  SimClient first = echo.client();
  SimClient second = echo.client();
  REQUIRE(echo.run(first.send(kGet)));
  REQUIRE(echo.run(first.receive()));
  REQUIRE(echo.run(second.send(kGet)));
  REQUIRE(echo.run(second.receive()));
  SimClient third = echo.client();
  const Result<Response> refused = echo.run(third.receive());
  REQUIRE(refused);
  CHECK(refused->status == 503);
  CHECK(refused->fields.contains("retry-after"));
}

}  // namespace
}  // namespace ringdrop::http
