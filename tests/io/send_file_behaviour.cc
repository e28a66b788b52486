// A file sent from the page cache.
#include <string>

#include "io/file.h"
#include "io/task_scope.h"
#include "tests/io/connected_pair.h"

namespace ringdrop::test {
namespace {

using io::Errc;
using io::Result;
using io::SentNow;
using io::Task;

constexpr std::string_view kHead = "a head, ";

// A file with that content, whose pages can be looked at.
Task<io::File> file_with(RingUnderTest& ring, std::string_view content) {
  auto root = co_await io::open_root_directory(ring.loop(), ring.directory());
  REQUIRE(root.has_value());
  const io::Directory directory(ring.loop(), *std::move(root));
  auto fd = co_await directory.open_file("sent", io::OpenMode::open_or_create);
  REQUIRE(fd.has_value());
  io::File file(ring.loop(), *std::move(fd));
  const Result<> wrote = co_await file.write_all_at(as_bytes(content), 0);
  REQUIRE(wrote.has_value());
  file.look_at_pages(content.size());
  co_return std::move(file);
}

// What was just written is in memory; in the simulated world sooner or later.
Task<> wait_until_in_memory(RingUnderTest& ring, io::File& file, uint64_t offset, std::size_t bytes) {
  for (int i = 0; i < 1'000 && !file.in_memory(offset, bytes); ++i) co_await ring.loop().next_turn();
}

Task<> take_to_end(io::EventLoop& loop, io::Socket& socket, std::string& all) {
  all = co_await receive_to_end(loop, socket, SIZE_MAX);
}

// By as many calls as it takes, as somebody would who sends a file. A piece that cannot be sent so is sent as text.
Task<> send_whole(RingUnderTest& ring, io::Socket& socket, io::File& file, std::string_view content) {
  Bytes head = as_bytes(kHead);
  uint64_t offset = 0;
  while (offset < content.size()) {
    const std::size_t bytes = std::min<uint64_t>(100'000, content.size() - offset);
    co_await wait_until_in_memory(ring, file, offset, bytes);
    const Result<SentNow> sent = socket.send_file_now(head, file, offset, bytes);
    REQUIRE(sent.has_value());
    const std::size_t of_head = std::min(sent->bytes, head.size());
    head = head.subspan(of_head);
    offset += sent->bytes - of_head;
    if (sent->peer_is_full) {
      CHECK(sent->bytes < of_head + bytes);
      const Result<> writable = co_await socket.wait_writable(in(ring.loop(), kLong), kNoStop);
      REQUIRE(writable.has_value());
    }
  }
  static_cast<void>(co_await socket.shutdown_write());
}

Task<> all_arrives(RingUnderTest& ring) {
  const std::string content = pattern(3'000'001);
  io::File file = co_await file_with(ring, content);
  ConnectedPair pair = co_await connected_pair(ring);
  io::TaskScope scope(ring.loop());
  std::string got;
  scope.spawn(take_to_end(ring.loop(), pair.client, got));
  co_await send_whole(ring, pair.server, file, content);
  co_await scope.join();
  CHECK(got.size() == kHead.size() + content.size());
  CHECK(got == std::string(kHead) + content);
}

Task<> nobody_waits_for_the_peer(RingUnderTest& ring) {
  const std::string content = pattern(100'000);
  io::File file = co_await file_with(ring, content);
  ConnectedPair pair = co_await connected_pair(ring);
  std::string expected;
  bool full = false;
  for (std::size_t i = 0; i < ring.too_much() / content.size() + 1'000 && !full; ++i) {
    co_await wait_until_in_memory(ring, file, 0, content.size());
    const Result<SentNow> sent = pair.server.send_file_now(Bytes{}, file, 0, content.size());
    REQUIRE(sent.has_value());
    expected += content.substr(0, sent->bytes);
    full = sent->peer_is_full;
  }
  CHECK(full);
  const Result<SentNow> none = pair.server.send_file_now(as_bytes(kHead), file, 0, content.size());
  REQUIRE(none.has_value());
  CHECK(none->peer_is_full);
  expected += std::string(kHead).append(content).substr(0, none->bytes);
  io::TaskScope scope(ring.loop());
  std::string got;
  scope.spawn(take_to_end(ring.loop(), pair.client, got));
  static_cast<void>(co_await pair.server.shutdown_write());
  co_await scope.join();
  CHECK(got == expected);
}

// The peer has more to take than fits: a send of two parts waits for it, between files too.
Task<> a_send_behind_a_file_waits(RingUnderTest& ring) {
  const std::string content = pattern(100'000);
  const std::string text = pattern(ring.too_much());
  io::File file = co_await file_with(ring, content);
  ConnectedPair pair = co_await connected_pair(ring);
  io::TaskScope scope(ring.loop());
  std::string got;
  scope.spawn(take_to_end(ring.loop(), pair.client, got));
  std::string expected;
  for (int i = 0; i < 2; ++i) {
    co_await wait_until_in_memory(ring, file, 0, content.size());
    const Result<SentNow> sent = pair.server.send_file_now(Bytes{}, file, 0, content.size());
    REQUIRE(sent.has_value());
    expected += content.substr(0, sent->bytes);
    const auto all = co_await pair.server.send_all(as_bytes(kHead), as_bytes(text), in(ring.loop(), kLong), kNoStop);
    REQUIRE(all.has_value());
    CHECK(*all == kHead.size() + text.size());
    expected += std::string(kHead) + text;
  }
  static_cast<void>(co_await pair.server.shutdown_write());
  co_await scope.join();
  CHECK(got == expected);
}

Task<> the_socket_waits_as_before(RingUnderTest& ring) {
  const std::string content = pattern(1'000);
  io::File file = co_await file_with(ring, content);
  ConnectedPair pair = co_await connected_pair(ring);
  co_await wait_until_in_memory(ring, file, 0, content.size());
  REQUIRE(pair.server.send_file_now(Bytes{}, file, 0, content.size()).has_value());
  std::string into(10, '\0');
  const auto none = co_await pair.server.receive_some(writable(into), in(ring.loop(), kShort), kNoStop);
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().code == Errc::timed_out);
}

Task<> a_peer_that_is_gone(RingUnderTest& ring) {
  const std::string content = pattern(100'000);
  io::File file = co_await file_with(ring, content);
  ConnectedPair pair = co_await connected_pair(ring);
  co_await send_text(ring.loop(), pair.server, "unread: its end is a reset");
  // Not closed before it has come: only unread bytes make a close a reset, and that makes the server's end readable.
  const auto arrived = co_await pair.client.wait_readable(in(ring.loop(), kLong), kNoStop);
  CHECK(arrived.has_value());
  {
    const io::Socket gone = std::move(pair.client);
  }
  const auto reset = co_await pair.server.wait_readable(in(ring.loop(), kLong), kNoStop);
  CHECK(reset.has_value());
  co_await wait_until_in_memory(ring, file, 0, content.size());
  const Result<SentNow> sent = pair.server.send_file_now(as_bytes(kHead), file, 0, content.size());
  REQUIRE_FALSE(sent.has_value());
  CHECK(sent.error().code == Errc::closed);
}

}  // namespace

std::span<const Behaviour> send_file_behaviours() {
  static constexpr Behaviour all[] = {
      {"a file in memory arrives behind its head, however slowly the peer reads", all_arrives},
      {"a file is sent as far as the peer takes it, and nobody waits", nobody_waits_for_the_peer},
      {"a send of two parts waits behind a file that was sent", a_send_behind_a_file_waits},
      {"a receive waits behind a file that was sent", the_socket_waits_as_before},
      {"a file sent to a peer that is gone: closed", a_peer_that_is_gone},
  };
  return all;
}

}  // namespace ringdrop::test
