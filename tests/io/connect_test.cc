#include "io/connect.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "io/resolver.h"
#include "tests/io/connected_pair.h"
#include "tests/io/temporary_directory.h"
#include "tests/io/test_loop.h"

namespace ringdrop::test {
namespace {

using io::Result;
using io::Task;

io::TimePoint soon(io::EventLoop& loop) {
  return loop.now() + io::Milliseconds(10'000);
}

// Connects to a listener at `where`, says something and hears it at the other end.
Task<> connect_and_talk(io::EventLoop& loop, std::string where) {
  Result<io::Listener> listener = io::listen(loop, *io::parse_address(where));
  REQUIRE(listener.has_value());
  const io::Address address = listener->address();
  const std::stop_token stop;
  Result<io::Socket> client = co_await io::connect(loop, address, soon(loop), stop);
  REQUIRE(client.has_value());
  io::Address peer;
  Result<io::OwnedFd> accepted = co_await listener->accept(peer, soon(loop), stop);
  REQUIRE(accepted.has_value());
  io::Socket server(loop, std::move(*accepted));
  co_await send_text(loop, *client, "hello");
  static_cast<void>(co_await client->shutdown_write());
  const std::string heard = co_await receive_to_end(loop, server, 100);
  CHECK(heard == "hello");
}

Task<> find_localhost(io::EventLoop& loop, io::Lane& lane) {
  const std::string name = "localhost";
  const Result<std::vector<io::Address>> found = co_await io::resolve(loop, lane, name, 8080);
  REQUIRE(found.has_value());
  REQUIRE_FALSE(found->empty());
  for (const io::Address& address : *found) {
    const std::string text = io::format_address(address);
    CHECK((text == "127.0.0.1:8080" || text == "[::1]:8080"));
  }
}

Task<> find_numbers(io::EventLoop& loop, io::Lane& lane) {
  for (const char* host : {"127.0.0.1", "::1"}) {
    const std::string name = host;
    const Result<std::vector<io::Address>> found = co_await io::resolve(loop, lane, name, 1);
    REQUIRE(found.has_value());
    REQUIRE(found->size() == 1);
    const std::string text = io::format_address(found->front());
    CHECK(text == (name == "::1" ? "[::1]:1" : "127.0.0.1:1"));
  }
}

Task<> find_nobody(io::EventLoop& loop, io::Lane& lane) {
  const std::string name = "no such name";  // a space: nobody is asked
  const Result<std::vector<io::Address>> found = co_await io::resolve(loop, lane, name, 1);
  REQUIRE_FALSE(found.has_value());
  CHECK(std::string(found.error().op) != "");
}

}  // namespace

TEST_CASE("a connection is made to whom listens, by IPv4, IPv6 and a path") {
  TestLoop loop;
  const TemporaryDirectory directory;
  loop.run(connect_and_talk(loop.loop(), "127.0.0.1:0"));
  loop.run(connect_and_talk(loop.loop(), "[::1]:0"));
  loop.run(connect_and_talk(loop.loop(), "unix:" + (directory.path() / "s").string()));
}

TEST_CASE("where nobody listens the connection is refused at once") {
  TestLoop loop;
  const auto refused = [](io::EventLoop& on) -> Task<io::Error> {
    io::Address address;
    {
      const Result<io::Listener> gone = io::listen(on, *io::parse_address("127.0.0.1:0"));
      address = gone->address();
    }
    const std::stop_token stop;
    // The listener's close is the ring's: until it has come, somebody is there, or has just gone.
    for (;;) {
      const Result<io::Socket> client = co_await io::connect(on, address, soon(on), stop);
      if (!client && client.error().sys_errno != ECONNRESET) co_return client.error();
    }
  };
  const io::Error error = loop.run(refused(loop.loop()));
  CHECK(error.sys_errno == ECONNREFUSED);
  CHECK(std::string(error.op) == "connect");
}

TEST_CASE("a stop that has come already makes no connection") {
  TestLoop loop;
  const auto stopped = [](io::EventLoop& on) -> Task<io::Errc> {
    const Result<io::Listener> listener = io::listen(on, *io::parse_address("127.0.0.1:0"));
    const io::Address address = listener->address();
    std::stop_source source;
    source.request_stop();
    const std::stop_token stop = source.get_token();
    const Result<io::Socket> client = co_await io::connect(on, address, soon(on), stop);
    REQUIRE_FALSE(client.has_value());
    co_return client.error().code;
  };
  CHECK(loop.run(stopped(loop.loop())) == io::Errc::cancelled);
}

TEST_CASE("names and numbers become addresses, off the loop") {
  io::WorkerLane lane("names", 1, 4);
  TestLoop loop;
  loop.run(find_localhost(loop.loop(), lane));
  loop.run(find_numbers(loop.loop(), lane));
  loop.run(find_nobody(loop.loop(), lane));
}

}  // namespace ringdrop::test
