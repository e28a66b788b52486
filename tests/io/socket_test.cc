// What only real sockets show; what the simulated network does as well is in receive_behaviour.cc and
// send_behaviour.cc.
#include "io/socket.h"

#include <doctest/doctest.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>

#include "io/on_loop.h"
#include "tests/io/blocking_client.h"
#include "tests/io/connected_pair.h"
#include "tests/io/other_loop.h"
#include "tests/io/temporary_directory.h"
#include "tests/io/test_loop.h"

namespace ringdrop::test {
namespace {

using io::Errc;
using io::Result;
using io::Task;

io::Listener listen_at(TestLoop& fixture, const std::string& text) {
  Result<io::Listener> listener = io::listen(fixture.loop(), *io::parse_address(text));
  REQUIRE(listener.has_value());
  return *std::move(listener);
}

Task<Result<io::OwnedFd>> accept_one(io::EventLoop& loop, io::Listener& listener, io::Address& peer) {
  co_return co_await listener.accept(peer, in(loop, kLong), kNoStop);
}

Task<> echo(io::EventLoop& loop, io::Socket& socket) {
  std::string some(10'000, '\0');
  for (;;) {
    const auto got = co_await socket.receive_some(writable(some), in(loop, kLong), kNoStop);
    if (!got || *got == 0) break;
    const auto sent = co_await socket.send_all(as_bytes(some).first(*got), Bytes{}, in(loop, kLong), kNoStop);
    if (!sent) break;
  }
  static_cast<void>(co_await socket.shutdown_write());
}

Task<Result<std::size_t>> receive_one(io::EventLoop& loop, io::Socket& socket) {
  std::string into(10, '\0');
  co_return co_await socket.receive_all(writable(into), in(loop, kLong), kNoStop);
}

// Reads so little at a time that the sender's poll of it is armed hundreds of times.
void read_slowly(int fd, std::size_t& total) {
  std::string some(2048, '\0');
  for (ssize_t got = 1; got > 0; total += static_cast<std::size_t>(std::max<ssize_t>(got, 0))) {
    got = ::read(fd, some.data(), some.size());
  }
}

// How many bytes of the two parts have left, behind a byte of a file.
Task<std::size_t> send_file_and_parts(TestLoop& fixture, io::Socket& socket, const std::string& path,
                                      const std::string& part) {
  auto root = co_await io::open_root_directory(fixture.loop(), path.c_str());
  REQUIRE(root.has_value());
  const io::Directory directory(fixture.loop(), *std::move(root));
  auto fd = co_await directory.open_file("sent", io::OpenMode::read);
  REQUIRE(fd.has_value());
  const io::File file(fixture.loop(), *std::move(fd));
  const auto sent = socket.send_file_now(Bytes{}, file, 0, 1);
  REQUIRE(sent.has_value());
  CHECK(sent->bytes == 1);
  const auto all = co_await socket.send_all(as_bytes(part), as_bytes(part), in(fixture.loop(), kLong), kNoStop);
  REQUIRE(all.has_value());
  static_cast<void>(co_await socket.shutdown_write());
  co_return *all;
}

}  // namespace

// The kernel hands a send to a worker when it has polled for it 128 times, and there sendmsg(2) does not wait on a
// socket that may not.
TEST_CASE("a send of two parts outlasts a very slow peer, behind a file that was sent") {
  TestLoop fixture;
  const TemporaryDirectory directory;
  directory.write("sent", "x");
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const int least = 1;
  REQUIRE(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof least) == 0);
  const std::string part = pattern(2 * kMiB);
  std::size_t read = 0;
  std::size_t sent = 0;
  std::thread reader(read_slowly, ends[1], std::ref(read));
  {
    io::Socket socket(fixture.loop(), io::OwnedFd(fixture.ring(), ends[0]));
    sent = fixture.run(send_file_and_parts(fixture, socket, directory.path(), part));
  }
  reader.join();
  ::close(ends[1]);
  CHECK(sent == 2 * part.size());
  CHECK(read == 1 + 2 * part.size());
}

TEST_CASE("a client thread gets its megabytes back, over IPv4, IPv6 and a Unix socket") {
  const TemporaryDirectory directory;
  const std::string text = pattern(8 * kMiB);
  for (const std::string& where : {std::string("127.0.0.1:0"), std::string("[::1]:0"), "unix:" + (directory / "s")}) {
    CAPTURE(where);
    TestLoop fixture;
    io::Listener listener = listen_at(fixture, where);
    std::string got;
    std::thread thread([&, address = listener.address()] {
      const BlockingClient client(address);
      std::thread sending([&] {
        client.send(text);
        client.end();
      });
      got = client.receive_all();
      sending.join();
    });
    io::Address peer;
    Result<io::OwnedFd> fd = fixture.run(accept_one(fixture.loop(), listener, peer));
    REQUIRE(fd.has_value());
    CHECK(peer.generic.sa_family == listener.address().generic.sa_family);
    io::Socket socket(fixture.loop(), *std::move(fd));
    fixture.run(echo(fixture.loop(), socket));
    thread.join();
    CHECK(got == text);
  }
}

TEST_CASE("an accepted TCP socket does not wait to fill packets") {
  TestLoop fixture;
  io::Listener listener = listen_at(fixture, "127.0.0.1:0");
  const BlockingClient client(listener.address());
  io::Address peer;
  const Result<io::OwnedFd> fd = fixture.run(accept_one(fixture.loop(), listener, peer));
  REQUIRE(fd.has_value());
  int on = 0;
  socklen_t length = sizeof on;
  REQUIRE(getsockopt(fd->get(), IPPROTO_TCP, TCP_NODELAY, &on, &length) == 0);
  CHECK(on != 0);
}

TEST_CASE("a second listener on a port or a socket file that is in use is refused") {
  const TemporaryDirectory directory;
  TestLoop fixture;
  for (const std::string& where : {std::string("127.0.0.1:0"), "unix:" + (directory / "s")}) {
    const io::Listener first = listen_at(fixture, where);
    const Result<io::Listener> second = io::listen(fixture.loop(), first.address());
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().sys_errno == EADDRINUSE);
    CHECK(second.error().op == std::string("bind"));
  }
}

TEST_CASE("a socket file that a dead server left is replaced, a file of another kind is never touched") {
  const TemporaryDirectory directory;
  TestLoop fixture;
  const std::string where = "unix:" + (directory / "s");
  {
    const io::Listener dead = listen_at(fixture, where);
  }
  REQUIRE(std::filesystem::is_socket(directory / "s"));
  // Closing is not awaited.
  const auto listens = [&] { return io::listen(fixture.loop(), *io::parse_address(where)).has_value(); };
  bool again = listens();
  for (int i = 0; i < 1'000 && !again; ++i) {
    fixture.run(pause(fixture.loop(), io::Milliseconds(1)));
    again = listens();
  }
  CHECK(again);

  directory.write("precious", "data");
  const Result<io::Listener> refused =
      io::listen(fixture.loop(), *io::parse_address("unix:" + (directory / "precious")));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().sys_errno == EADDRINUSE);
  CHECK(directory.read("precious") == "data");
}

TEST_CASE("listening where there is no directory, or on an address of somebody else, fails") {
  TestLoop fixture;
  const auto tried = [&](const char* where) { return io::listen(fixture.loop(), *io::parse_address(where)); };
  CHECK(tried("unix:/nonexistent/directory/s").error().code == Errc::not_found);
  CHECK(tried("192.0.2.1:0").error().sys_errno == EADDRNOTAVAIL);
}

TEST_CASE("a reset while a receive waits ends it with closed") {
  TestLoop fixture;
  io::Listener listener = listen_at(fixture, "127.0.0.1:0");
  BlockingClient client(listener.address());
  io::Address peer;
  io::Socket socket(fixture.loop(), *fixture.run(accept_one(fixture.loop(), listener, peer)));
  std::thread resetting([&] { client.reset(); });
  const Result<std::size_t> got = fixture.run(receive_one(fixture.loop(), socket));
  resetting.join();
  REQUIRE_FALSE(got.has_value());
  CHECK(got.error().code == Errc::closed);
}

TEST_CASE("without a free descriptor accept is exhausted, and works again when there is one") {
  TestLoop fixture;
  io::Listener listener = listen_at(fixture, "127.0.0.1:0");
  const BlockingClient client(listener.address());
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{0, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  io::Address peer;
  const Result<io::OwnedFd> refused = fixture.run(accept_one(fixture.loop(), listener, peer));
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == Errc::exhausted);
  CHECK(fixture.run(accept_one(fixture.loop(), listener, peer)).has_value());
}

TEST_CASE("a connection accepted on one loop is served on another") {
  const auto serve = [](io::EventLoop& loop, int fd) -> Task<int> {
    io::Socket socket(loop, io::OwnedFd(loop.ring(), fd));
    co_await echo(loop, socket);
    co_return 0;
  };
  const auto hand_over = [&](io::EventLoop& home, io::EventLoop& other, io::OwnedFd fd) -> Task<> {
    static_cast<void>(co_await io::run_on_loop(home, other, serve(other, fd.release())));
  };
  TestLoop home;
  OtherLoop other;
  io::Listener listener = listen_at(home, "127.0.0.1:0");
  const BlockingClient client(listener.address());
  client.send("across threads");
  client.end();
  io::Address peer;
  home.run(hand_over(home.loop(), other.loop(), *home.run(accept_one(home.loop(), listener, peer))));
  CHECK(client.receive_all() == "across threads");
}

namespace {

class CountedOperation final : public io::Operation {
 public:
  void complete(int32_t result) noexcept override {
    ++completions;
    last = result;
  }
  int completions = 0;
  int32_t last = 0;
};

}  // namespace

TEST_CASE("an operation that is cancelled completes once, however often and whenever it is asked to") {
  TestLoop fixture;
  io::Listener listener = listen_at(fixture, "127.0.0.1:0");
  const BlockingClient client(listener.address());
  io::Address peer;
  const Result<io::OwnedFd> fd = fixture.run(accept_one(fixture.loop(), listener, peer));
  int received = 0;
  int sent = 0;
  for (int round = 0; round < 300; ++round) {
    CountedOperation operation;
    std::byte into{};
    operation.request.op = io::Op::receive;
    operation.request.fd = fd->get();
    operation.request.data = &into;
    operation.request.bytes = 1;
    fixture.ring().submit(operation);
    CHECK(operation.completions == 0);  // never from inside submit
    if (round % 3 == 0) fixture.turn_at_once();
    if (round % 2 == 0) sent += client.send("x") ? 1 : 0;
    for (int i = 0; i < round % 4; ++i) fixture.ring().cancel(operation);
    if (round % 5 == 0) fixture.turn_at_once();
    if (operation.completions == 0) fixture.ring().cancel(operation);
    while (operation.completions == 0) fixture.turn_at_once();
    for (int i = 0; i < 3; ++i) fixture.turn_at_once();
    CHECK(operation.completions == 1);
    CHECK((operation.last == 1 || operation.last == -ECANCELED));
    if (operation.last == 1) ++received;
  }
  // What was cancelled took nothing: the rest is still there.
  io::Socket socket(fixture.loop(), io::OwnedFd(fixture.ring(), dup(fd->get())));
  client.end();
  const std::string all = fixture.run(receive_to_end(fixture.loop(), socket, kMiB));
  CHECK(all.size() == static_cast<std::size_t>(sent - received));
}

}  // namespace ringdrop::test
