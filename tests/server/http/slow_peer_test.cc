// Peers that read slowly or not at all, and what they may hold of us meanwhile.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/http/echo_world.h"

namespace ringdrop::http {
namespace {

using io::Buffer;
using io::Milliseconds;
using io::Result;
using sim::Response;
using sim::SimClient;

std::string get(int number) {
  return fmt::format("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", number);
}

const std::string kGetLarge = "GET /large HTTP/1.1\r\nHost: h\r\n\r\n";

// Every small buffer that uploads do not get, until the result goes.
std::vector<Buffer> take_all(io::BufferPool& pool) {
  std::vector<Buffer> all;
  while (std::optional<Buffer> buffer = pool.try_small(io::BufferPool::Use::other)) all.push_back(std::move(*buffer));
  return all;
}

TEST_CASE("requests behind an answer that nobody reads hold no buffer, and are answered when it is read") {
  EchoWorld echo(1);
  SimClient client = echo.client();
  REQUIRE(echo.run(client.send(kGetLarge + get(1) + get(2) + get(3))));
  echo.world.run_for(Milliseconds(5'000));
  CHECK(echo.pool.lent_bytes() == 0);
  const Result<Response> large = echo.run(client.receive());
  REQUIRE(large);
  CHECK(large->body.size() == kLargeAnswer);
  for (int i = 1; i <= 3; ++i) {
    const Result<Response> answer = echo.run(client.receive());
    REQUIRE(answer);
    CHECK(answer->body == fmt::format("GET /{}\n", i));
  }
}

TEST_CASE("more requests behind an unread answer than are kept end the connection behind it, whole") {
  std::string bytes = kGetLarge;
  while (bytes.size() < 14'000) bytes += get(1);
  int ended = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    EchoWorld echo(seed);
    SimClient client = echo.client();
    REQUIRE(echo.run(client.send(bytes)));
    echo.world.run_for(Milliseconds(5'000));
    CHECK(echo.pool.lent_bytes() == 0);
    const Result<Response> large = echo.run(client.receive());
    REQUIRE(large);
    CHECK(large->body.size() == kLargeAnswer);
    // What had not yet been received when the answer stalled is no burden, and is answered.
    const Result<Response> next = echo.run(client.receive());
    if (!next) ++ended;
  }
  CHECK(ended > 0);
}

TEST_CASE("a reader that is slow but steady gets its answer, however few bytes a time of stalling moves") {
  HttpLimits limits;
  limits.stall_timeout = Milliseconds(10'000);
  limits.min_transfer_bytes = 320;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    EchoWorld echo(seed, limits);
    SimClient client = echo.client();
    REQUIRE(echo.run(client.send(kGetLarge)));
    // Twelve times the stall time, at four times the rate or less that is asked for.
    for (int second = 0; second < 120; ++second) {
      echo.world.run_for(Milliseconds(1'000));
      const Result<std::size_t> got = echo.run(client.receive_some(256));
      REQUIRE(got);
      REQUIRE(*got > 0);
    }
    CHECK(echo.connections.size() == 1);
  }
}

TEST_CASE("a reader that stops ends its connection, after two times of stalling at the latest") {
  HttpLimits limits;
  limits.stall_timeout = Milliseconds(10'000);
  EchoWorld echo(3, limits);
  SimClient client = echo.client();
  REQUIRE(echo.run(client.send(kGetLarge)));
  echo.world.run_for(Milliseconds(21'000));
  CHECK(echo.connections.size() == 0);
}

TEST_CASE("large heads share a quarter of the memory budget, ordinary ones never wait for them") {
  EchoWorld echo(4, HttpLimits{}, 1'000);
  const std::string filler(30'000, 'x');
  const std::string large_head = "GET /a HTTP/1.1\r\nHost: h\r\nX-Filler: " + filler + "\r\n";
  std::vector<std::unique_ptr<SimClient>> clients;
  const uint64_t share = echo.pool.budget_bytes() / 4;
  const std::size_t fit = share / (large_head.size() - kOrdinaryHeadBytes);
  for (std::size_t i = 0; i < fit; ++i) {
    clients.push_back(std::make_unique<SimClient>(echo.client()));
    REQUIRE(echo.run(clients.back()->send(large_head)));
  }
  echo.world.run_for(Milliseconds(100));
  SimClient one_more = echo.client();
  REQUIRE(echo.run(one_more.send(large_head)));
  const Result<Response> refused = echo.run(one_more.receive());
  REQUIRE(refused);
  CHECK(refused->status == 503);
  SimClient ordinary = echo.client();
  REQUIRE(echo.run(ordinary.send(get(1))));
  const Result<Response> answer = echo.run(ordinary.receive());
  REQUIRE(answer);
  CHECK(answer->status == 200);

  // What was charged comes back with the answers.
  for (const auto& client : clients) {
    REQUIRE(echo.run(client->send("\r\n")));
    const Result<Response> got = echo.run(client->receive());
    REQUIRE(got);
    CHECK(got->status == 200);
  }
  SimClient again = echo.client();
  REQUIRE(echo.run(again.send(large_head + "\r\n")));
  const Result<Response> got = echo.run(again.receive());
  REQUIRE(got);
  CHECK(got->status == 200);
}

TEST_CASE("a long head that finds no buffer in time is told that the server is busy, a short one needs none") {
  int busy = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    EchoWorld echo(seed);
    const std::vector<Buffer> all = take_all(echo.pool);
    SimClient client = echo.client();
    REQUIRE(echo.run(client.send(get(1))));
    const Result<Response> short_one = echo.run(client.receive());
    REQUIRE(short_one);
    CHECK(short_one->status == 200);
    const std::string field = fmt::format("X: {}\r\n", std::string(5'000, 'x'));
    REQUIRE(echo.run(client.send("GET /a HTTP/1.1\r\nHost: h\r\n" + field + "\r\n")));
    const Result<Response> long_one = echo.run(client.receive());
    REQUIRE(long_one);
    // It may come in pieces that are short.
    if (long_one->status == 503) {
      ++busy;
    } else {
      CHECK(long_one->status == 200);
    }
  }
  CHECK(busy > 0);
}

TEST_CASE("a request of just the length that needs no buffer is not kept waiting for more") {
  for (std::size_t more = 0; more < 3; ++more) {
    CAPTURE(more);
    EchoWorld echo(7);
    SimClient client = echo.client();
    std::string request = "GET /a HTTP/1.1\r\nHost: h\r\nX: ";
    request.append(kShortRequestBytes - 1 + more - request.size() - 4, 'x');
    request += "\r\n\r\n";
    for (int i = 0; i < 50; ++i) {
      const io::TimePoint begin = echo.client_loop.now();
      REQUIRE(echo.run(client.send(request)));
      const Result<Response> answer = echo.run(client.receive());
      REQUIRE(answer);
      CHECK(answer->status == 200);
      CHECK(echo.client_loop.now() - begin < std::chrono::milliseconds(200));
    }
  }
}

TEST_CASE("the time in which a chunked body waits for a buffer of ours does not count against its sender") {
  HttpLimits limits;
  limits.stall_timeout = Milliseconds(10'000);
  limits.min_transfer_bytes = 1'000;
  EchoWorld echo(6, limits);
  SimClient client = echo.client();
  REQUIRE(echo.run(client.send("PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")));
  echo.world.run_for(Milliseconds(100));
  for (int i = 0; i < 3; ++i) {
    CAPTURE(i);
    std::vector<Buffer> all = take_all(echo.pool);
    REQUIRE(echo.run(client.send("1\r\nx\r\n")));
    echo.world.run_for(Milliseconds(9'000));
    echo.loop.post([&] { all.clear(); });
    echo.world.run_for(Milliseconds(100));
  }
  REQUIRE(echo.run(client.send("0\r\n\r\n")));
  const Result<Response> answer = echo.run(client.receive());
  REQUIRE(answer);
  CHECK(answer->body == "PUT /a\nxxx");
}

}  // namespace
}  // namespace ringdrop::http
