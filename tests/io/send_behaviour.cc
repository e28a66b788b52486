// send, wait_writable, half-close and reset.
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "io/task_scope.h"
#include "tests/io/connected_pair.h"

namespace ringdrop::test {
namespace {

using io::Errc;
using io::Result;
using io::Task;

Task<> take_to_end(io::EventLoop& loop, io::Socket& socket, std::string& all) {
  all = co_await receive_to_end(loop, socket, SIZE_MAX);
}

Task<> stop_after(io::EventLoop& loop, io::Milliseconds duration, std::stop_source& stop) {
  co_await pause(loop, duration);
  stop.request_stop();
}

Task<> both_parts_in_order(RingUnderTest& ring) {
  ConnectedPair pair = co_await connected_pair(ring);
  const std::string head = "a head, ";
  const std::string body = pattern(200'000);
  io::TaskScope scope(ring.loop());
  std::string got;
  scope.spawn(take_to_end(ring.loop(), pair.server, got));
  std::size_t total = 0;
  const std::array<std::pair<std::string_view, std::string_view>, 4> parts = {
      {{head, body}, {head, ""}, {"", body}, {"", ""}}};
  for (const auto& [first, second] : parts) {
    const auto sent = co_await pair.client.send_all(as_bytes(first), as_bytes(second), in(ring.loop(), kLong), kNoStop);
    REQUIRE(sent.has_value());
    CHECK(*sent == first.size() + second.size());
    total += *sent;
  }
  static_cast<void>(co_await pair.client.shutdown_write());
  co_await scope.join();
  CHECK(got.size() == total);
  CHECK(got == head + body + head + body);
}

// The peer does not read until the send was cut short; then it gets exactly what was counted.
Task<> cut_short(RingUnderTest& ring, bool by_stop, bool in_two_parts) {
  ConnectedPair pair = co_await connected_pair(ring);
  const std::string text = pattern(ring.too_much());
  const Bytes all = as_bytes(text);
  const std::size_t first = in_two_parts ? 1'000 : all.size();
  std::stop_source stop;
  io::TaskScope scope(ring.loop());
  if (by_stop) scope.spawn(stop_after(ring.loop(), 3 * kShort, stop));
  const io::TimePoint deadline = in(ring.loop(), by_stop ? kLong : 3 * kShort);
  const auto sent = co_await pair.client.send_all(all.first(first), all.subspan(first), deadline, stop.get_token());
  co_await scope.join();
  REQUIRE(sent.has_value());
  CHECK(*sent > 0);
  CHECK(*sent < text.size());

  // A full connection takes nothing: not even one byte.
  const auto none = co_await pair.client.send_all(all.first(all.size() / 4), Bytes{}, in(ring.loop(), kShort), kNoStop);
  const std::size_t more = none ? *none : 0;
  if (!none) CHECK(none.error().code == Errc::timed_out);

  std::string got;
  scope.spawn(take_to_end(ring.loop(), pair.server, got));
  static_cast<void>(co_await pair.client.shutdown_write());
  co_await scope.join();
  CHECK(got.size() == *sent + more);
  CHECK(got == text.substr(0, *sent) + text.substr(0, more));
}

Task<> cut_by_the_deadline(RingUnderTest& ring) {
  co_await cut_short(ring, false, false);
  co_await cut_short(ring, false, true);
}

Task<> cut_by_a_stop(RingUnderTest& ring) {
  co_await cut_short(ring, true, false);
  co_await cut_short(ring, true, true);
}

Task<> send_until(io::EventLoop& loop, io::Socket& socket, std::string_view text, std::stop_token stop,
                  std::optional<Result<std::size_t>>& sent) {
  sent = co_await socket.send_all(as_bytes(text), Bytes{}, in(loop, kLong), stop);
}

// The send has only just begun: nothing watches its stop yet.
Task<> cut_by_a_stop_at_once(RingUnderTest& ring) {
  ConnectedPair pair = co_await connected_pair(ring);
  const std::string text = pattern(ring.too_much());
  std::stop_source stop;
  std::optional<Result<std::size_t>> sent;
  io::TaskScope scope(ring.loop());
  scope.spawn(send_until(ring.loop(), pair.client, text, stop.get_token(), sent));
  CHECK_FALSE(sent.has_value());
  stop.request_stop();
  co_await scope.join();
  REQUIRE(sent.has_value());
  if (*sent) {
    CHECK(**sent < text.size());
  } else {
    CHECK(sent->error().code == Errc::cancelled);
  }
}

Task<> send_by(io::Socket& socket, std::string_view text, io::TimePoint deadline,
               std::optional<Result<std::size_t>>& sent) {
  sent = co_await socket.send_all(as_bytes(text), Bytes{}, deadline, kNoStop);
}

// One that is over at once stands between two that are not, and one of these was too late when it began.
Task<> late_ones_of_several(RingUnderTest& ring) {
  ConnectedPair slow = co_await connected_pair(ring);
  ConnectedPair quick = co_await connected_pair(ring);
  ConnectedPair slower = co_await connected_pair(ring);
  const std::string text = pattern(ring.too_much());
  std::optional<Result<std::size_t>> sent[3];
  io::TaskScope scope(ring.loop());
  scope.spawn(send_by(slow.client, text, in(ring.loop(), 3 * kShort), sent[0]));
  scope.spawn(send_by(quick.client, "all of it", in(ring.loop(), kLong), sent[1]));
  scope.spawn(send_by(slower.client, text, ring.loop().now(), sent[2]));
  co_await scope.join();
  REQUIRE((sent[0] && sent[1] && sent[2]));
  CHECK(sent[1]->value_or(0) == 9);
  for (const int late : {0, 2}) {
    const Result<std::size_t>& cut = *sent[late];
    if (cut) {
      CHECK(*cut < text.size());
    } else {
      CHECK(cut.error().code == Errc::timed_out);
    }
  }
}

Task<> writable_again(RingUnderTest& ring) {
  ConnectedPair pair = co_await connected_pair(ring);
  const auto at_once = co_await pair.client.wait_writable(in(ring.loop(), kLong), kNoStop);
  CHECK(at_once.has_value());
  const std::string text = pattern(ring.too_much());
  std::size_t sent = 0;
  for (;;) {
    const auto more = co_await pair.client.send_all(as_bytes(text), Bytes{}, in(ring.loop(), 2 * kShort), kNoStop);
    if (!more) break;
    sent += *more;
  }
  const auto full = co_await pair.client.wait_writable(in(ring.loop(), kShort), kNoStop);
  REQUIRE_FALSE(full.has_value());
  CHECK(full.error().code == Errc::timed_out);
  const std::string got = co_await receive_to_end(ring.loop(), pair.server, sent);
  CHECK(got.size() == sent);
  const auto room = co_await pair.client.wait_writable(in(ring.loop(), kLong), kNoStop);
  CHECK(room.has_value());
}

Task<> half_closed(RingUnderTest& ring) {
  ConnectedPair pair = co_await connected_pair(ring);
  static_cast<void>(co_await pair.client.shutdown_write());
  co_await send_text(ring.loop(), pair.server, "an answer");
  static_cast<void>(co_await pair.server.shutdown_write());
  const std::string got = co_await receive_to_end(ring.loop(), pair.client, kMiB);
  CHECK(got == "an answer");
  const auto sent = co_await pair.client.send_all(as_bytes("x"), Bytes{}, in(ring.loop(), kLong), kNoStop);
  REQUIRE_FALSE(sent.has_value());
  CHECK(sent.error().code == Errc::closed);
}

Task<> peer_closed(RingUnderTest& ring) {
  ConnectedPair pair = co_await connected_pair(ring);
  co_await send_text(ring.loop(), pair.client, "last words");
  {
    const io::Socket gone = std::move(pair.client);
  }
  const std::string got = co_await receive_to_end(ring.loop(), pair.server, kMiB);
  CHECK(got == "last words");
}

Task<> peer_reset(RingUnderTest& ring) {
  ConnectedPair pair = co_await connected_pair(ring);
  co_await send_text(ring.loop(), pair.server, "never read");
  // Not closed before it has come: only unread bytes make a close a reset.
  const auto arrived = co_await pair.client.wait_readable(in(ring.loop(), kLong), kNoStop);
  CHECK(arrived.has_value());
  {
    const io::Socket gone = std::move(pair.client);
  }
  std::string into(10, '\0');
  const auto got = co_await pair.server.receive_all(writable(into), in(ring.loop(), kLong), kNoStop);
  REQUIRE_FALSE(got.has_value());
  CHECK(got.error().code == Errc::closed);
  const auto sent = co_await pair.server.send_all(as_bytes("x"), Bytes{}, in(ring.loop(), kLong), kNoStop);
  REQUIRE_FALSE(sent.has_value());
  CHECK(sent.error().code == Errc::closed);
}

Task<> both_ways_at_once(RingUnderTest& ring) {
  ConnectedPair pair = co_await connected_pair(ring);
  const std::string up = pattern(ring.too_much() / 8);
  std::string down = up;
  std::ranges::reverse(down);
  const auto push = [](io::EventLoop& loop, io::Socket& socket, const std::string& text) -> Task<> {
    co_await send_text(loop, socket, text);
    static_cast<void>(co_await socket.shutdown_write());
  };
  std::string got_up;
  std::string got_down;
  io::TaskScope scope(ring.loop());
  scope.spawn(push(ring.loop(), pair.client, up));
  scope.spawn(push(ring.loop(), pair.server, down));
  scope.spawn(take_to_end(ring.loop(), pair.server, got_up));
  scope.spawn(take_to_end(ring.loop(), pair.client, got_down));
  co_await scope.join();
  CHECK(got_up == up);
  CHECK(got_down == down);
}

constexpr std::array<Behaviour, 10> kBehaviours = {{
    {"send_all sends its two parts in order, of which either may be empty", both_parts_in_order},
    {"send_all to a peer that does not read counts what left before its deadline", cut_by_the_deadline},
    {"send_all to a peer that does not read counts what left before a stop", cut_by_a_stop},
    {"send_all that is stopped as soon as it has begun ends too", cut_by_a_stop_at_once},
    {"of several sends that began together each that is late is cut by its own deadline", late_ones_of_several},
    {"wait_writable waits for room", writable_again},
    {"after shutdown_write the other direction still works, and a send is closed", half_closed},
    {"what was sent before a close arrives", peer_closed},
    {"a peer that closes with unread bytes resets: receive and send are closed", peer_reset},
    {"both directions carry bytes at the same time", both_ways_at_once},
}};

}  // namespace

std::span<const Behaviour> send_behaviours() {
  return kBehaviours;
}

}  // namespace ringdrop::test
