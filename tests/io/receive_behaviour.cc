// accept, receive and wait_readable.
#include <array>
#include <string>

#include "io/task_scope.h"
#include "tests/io/connected_pair.h"

namespace ringdrop::test {
namespace {

using io::Errc;
using io::Result;
using io::Task;

Task<> send_in_pieces(io::EventLoop& loop, io::Socket& socket, std::string_view text, std::size_t piece) {
  while (!text.empty()) {
    co_await send_text(loop, socket, text.substr(0, piece));
    text.remove_prefix(std::min(piece, text.size()));
    co_await pause(loop, io::Milliseconds(1));
  }
}

Task<> stop_after(io::EventLoop& loop, io::Milliseconds duration, std::stop_source& stop) {
  co_await pause(loop, duration);
  stop.request_stop();
}

Task<> some_until_the_end(RingUnderTest& ring) {
  ConnectedPair pair = co_await connected_pair(ring);
  co_await send_text(ring.loop(), pair.client, "hello");
  const Result<> shut = co_await pair.client.shutdown_write();
  CHECK(shut.has_value());
  const std::string got = co_await receive_to_end(ring.loop(), pair.server, kMiB);
  CHECK(got == "hello");
  std::string into(4, '\0');
  const auto again = co_await pair.server.receive_some(writable(into), in(ring.loop(), kLong), kNoStop);
  REQUIRE(again.has_value());
  CHECK(*again == 0);
}

Task<> later_as_some(RingUnderTest& ring) {
  ConnectedPair pair = co_await connected_pair(ring);
  const std::string text = pattern(1'000);
  io::TaskScope scope(ring.loop());
  scope.spawn(send_in_pieces(ring.loop(), pair.client, text, 100));
  std::string got;
  std::string into(150, '\0');
  while (got.size() < text.size()) {
    const auto some = co_await pair.server.receive_later(writable(into), in(ring.loop(), kLong), kNoStop);
    REQUIRE(some.has_value());
    REQUIRE(*some > 0);
    got += into.substr(0, *some);
  }
  co_await scope.join();
  CHECK(got == text);
  // What is there already, and the end.
  co_await send_text(ring.loop(), pair.client, "x");
  static_cast<void>(co_await pair.client.shutdown_write());
  for (const std::size_t expected : {1UL, 0UL, 0UL}) {
    const auto some = co_await pair.server.receive_later(writable(into), in(ring.loop(), kLong), kNoStop);
    REQUIRE(some.has_value());
    CHECK(*some == expected);
  }
  const auto none = co_await pair.client.receive_later(writable(into), in(ring.loop(), kShort), kNoStop);
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().code == Errc::timed_out);
}

Task<> all_of_it(RingUnderTest& ring) {
  ConnectedPair pair = co_await connected_pair(ring);
  const std::string text = pattern(10'000);
  io::TaskScope scope(ring.loop());
  scope.spawn(send_in_pieces(ring.loop(), pair.client, text, 3'000));
  std::string into(text.size(), '\0');
  const auto got = co_await pair.server.receive_all(writable(into), in(ring.loop(), kLong), kNoStop);
  co_await scope.join();
  REQUIRE(got.has_value());
  CHECK(*got == text.size());
  CHECK(into == text);
}

Task<> all_is_short_at_the_end(RingUnderTest& ring) {
  ConnectedPair pair = co_await connected_pair(ring);
  co_await send_text(ring.loop(), pair.client, "abc");
  static_cast<void>(co_await pair.client.shutdown_write());
  std::string into(10, '\0');
  const auto got = co_await pair.server.receive_all(writable(into), in(ring.loop(), kLong), kNoStop);
  REQUIRE(got.has_value());
  CHECK(*got == 3);
  CHECK(into.substr(0, 3) == "abc");
  const auto rest = co_await pair.server.receive_all(writable(into), in(ring.loop(), kLong), kNoStop);
  REQUIRE(rest.has_value());
  CHECK(*rest == 0);
}

Task<> all_is_cut_by_the_deadline(RingUnderTest& ring) {
  ConnectedPair pair = co_await connected_pair(ring);
  std::string into(10, '\0');
  const auto none = co_await pair.server.receive_all(writable(into), in(ring.loop(), kShort), kNoStop);
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().code == Errc::timed_out);
  co_await send_text(ring.loop(), pair.client, "abc");
  const auto some = co_await pair.server.receive_all(writable(into), in(ring.loop(), kShort), kNoStop);
  REQUIRE(some.has_value());
  CHECK(*some == 3);
  CHECK(into.substr(0, 3) == "abc");
  co_await send_text(ring.loop(), pair.client, "0123456789");
  const auto rest = co_await pair.server.receive_all(writable(into), in(ring.loop(), kLong), kNoStop);
  REQUIRE(rest.has_value());
  CHECK(into == "0123456789");
}

Task<> all_is_cut_by_a_stop(RingUnderTest& ring) {
  ConnectedPair pair = co_await connected_pair(ring);
  for (const std::string_view sent : {"", "abc"}) {
    if (!sent.empty()) co_await send_text(ring.loop(), pair.client, sent);
    std::stop_source stop;
    io::TaskScope scope(ring.loop());
    scope.spawn(stop_after(ring.loop(), kShort, stop));
    std::string into(10, '\0');
    const auto got = co_await pair.server.receive_all(writable(into), in(ring.loop(), kLong), stop.get_token());
    co_await scope.join();
    CHECK(got.has_value() == !sent.empty());
    if (got) {
      CHECK(*got == 3);
    } else {
      CHECK(got.error().code == Errc::cancelled);
    }
  }
}

Task<> stopped_before(RingUnderTest& ring) {
  ConnectedPair pair = co_await connected_pair(ring);
  co_await send_text(ring.loop(), pair.client, "abc");
  std::stop_source stop;
  stop.request_stop();
  const std::stop_token token = stop.get_token();
  std::string into(3, '\0');
  const auto got = co_await pair.server.receive_some(writable(into), io::kNever, token);
  REQUIRE_FALSE(got.has_value());
  CHECK(got.error().code == Errc::cancelled);
  const auto readable = co_await pair.server.wait_readable(io::kNever, token);
  REQUIRE_FALSE(readable.has_value());
  CHECK(readable.error().code == Errc::cancelled);
  // Nothing was taken from the socket.
  const auto later = co_await pair.server.receive_all(writable(into), in(ring.loop(), kLong), kNoStop);
  REQUIRE(later.has_value());
  CHECK(into == "abc");
}

Task<> deadlines_lose_no_byte(RingUnderTest& ring) {
  ConnectedPair pair = co_await connected_pair(ring);
  const std::string text = pattern(400);
  io::TaskScope scope(ring.loop());
  scope.spawn(send_in_pieces(ring.loop(), pair.client, text, 7));
  std::string all;
  while (all.size() < text.size()) {
    std::string into(50, '\0');
    const bool wants_all = all.size() % 2 == 0;
    const io::TimePoint deadline = ring.loop().now() + std::chrono::microseconds(700);
    Result<std::size_t> got = 0;
    if (wants_all) {
      got = co_await pair.server.receive_all(writable(into), deadline, kNoStop);
    } else {
      got = co_await pair.server.receive_some(writable(into), deadline, kNoStop);
    }
    if (got) all.append(into, 0, *got);
    if (!got) CHECK(got.error().code == Errc::timed_out);
  }
  co_await scope.join();
  CHECK(all == text);
}

Task<> readable(RingUnderTest& ring) {
  ConnectedPair pair = co_await connected_pair(ring);
  const auto nothing = co_await pair.server.wait_readable(in(ring.loop(), kShort), kNoStop);
  REQUIRE_FALSE(nothing.has_value());
  CHECK(nothing.error().code == Errc::timed_out);
  io::TaskScope scope(ring.loop());
  std::stop_source stop;
  scope.spawn(stop_after(ring.loop(), kShort, stop));
  const auto stopped = co_await pair.server.wait_readable(in(ring.loop(), kLong), stop.get_token());
  co_await scope.join();
  REQUIRE_FALSE(stopped.has_value());
  CHECK(stopped.error().code == Errc::cancelled);

  co_await send_text(ring.loop(), pair.client, "a");
  const auto there = co_await pair.server.wait_readable(in(ring.loop(), kLong), kNoStop);
  CHECK(there.has_value());
  std::string into(1, '\0');
  static_cast<void>(co_await pair.server.receive_some(writable(into), in(ring.loop(), kLong), kNoStop));
  CHECK(into == "a");
  static_cast<void>(co_await pair.client.shutdown_write());
  const auto ended = co_await pair.server.wait_readable(in(ring.loop(), kLong), kNoStop);
  CHECK(ended.has_value());
}

Task<> accepting(RingUnderTest& ring) {
  const std::optional<io::Address> any = io::parse_address("127.0.0.1:0");
  Result<io::Listener> listener = io::listen(ring.loop(), *any);
  REQUIRE(listener.has_value());
  CHECK(io::format_address(listener->address()) != "127.0.0.1:0");
  io::Address peer;
  const auto nobody = co_await listener->accept(peer, in(ring.loop(), kShort), kNoStop);
  REQUIRE_FALSE(nobody.has_value());
  CHECK(nobody.error().code == Errc::timed_out);
  io::TaskScope scope(ring.loop());
  std::stop_source stop;
  scope.spawn(stop_after(ring.loop(), kShort, stop));
  const auto stopped = co_await listener->accept(peer, in(ring.loop(), kLong), stop.get_token());
  co_await scope.join();
  REQUIRE_FALSE(stopped.has_value());
  CHECK(stopped.error().code == Errc::cancelled);

  // What a client sends before it is accepted waits for it; connections come in their order.
  std::vector<io::Socket> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(ring.loop(), ring.connect(listener->address()));
    co_await send_text(ring.loop(), clients.back(), std::to_string(i));
  }
  for (int i = 0; i < 3; ++i) {
    auto accepted = co_await listener->accept(peer, in(ring.loop(), kLong), kNoStop);
    REQUIRE(accepted.has_value());
    CHECK(peer.generic.sa_family == AF_INET);
    io::Socket server(ring.loop(), *std::move(accepted));
    std::string into(1, '\0');
    const auto got = co_await server.receive_all(writable(into), in(ring.loop(), kLong), kNoStop);
    CHECK(got.has_value());
    CHECK(into == std::to_string(i));
  }
}

constexpr std::array<Behaviour, 10> kBehaviours = {{
    {"receive_some gives what has come, then 0 again and again", some_until_the_end},
    {"receive_later gives the same, now or later", later_as_some},
    {"receive_all waits for all of its bytes", all_of_it},
    {"receive_all is short when the peer ends, and 0 when it had ended before", all_is_short_at_the_end},
    {"receive_all gives what had come by its deadline, timed_out when nothing had", all_is_cut_by_the_deadline},
    {"receive_all gives what had come when a stop is requested, cancelled when nothing had", all_is_cut_by_a_stop},
    {"an operation whose stop was requested before does not happen", stopped_before},
    {"operations that time out lose no byte", deadlines_lose_no_byte},
    {"wait_readable waits for bytes, for the end, for its deadline, for a stop", readable},
    {"accept gives connections in their order, and can time out and be stopped", accepting},
}};

}  // namespace

std::span<const Behaviour> receive_behaviours() {
  return kBehaviours;
}

}  // namespace ringdrop::test
