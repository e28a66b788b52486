#include "tests/io/connected_pair.h"

#include "io/wait_list.h"

namespace ringdrop::test {

using io::Result;
using io::Task;

Task<> pause(io::EventLoop& loop, io::Milliseconds duration) {
  io::WaitList nobody(loop, "a pause");
  static_cast<void>(co_await nobody.wait(in(loop, duration), kNoStop));
}

Task<ConnectedPair> connected_pair(RingUnderTest& ring) {
  const std::optional<io::Address> any = io::parse_address("127.0.0.1:0");
  Result<io::Listener> listener = io::listen(ring.loop(), *any);
  REQUIRE(listener.has_value());
  io::Socket client(ring.loop(), ring.connect(listener->address()));
  io::Address peer;
  Result<io::OwnedFd> accepted = co_await listener->accept(peer, in(ring.loop(), kLong), kNoStop);
  REQUIRE(accepted.has_value());
  io::Socket server(ring.loop(), *std::move(accepted));
  co_return ConnectedPair(std::move(server), std::move(client));
}

Task<> send_text(io::EventLoop& loop, io::Socket& socket, std::string_view text) {
  const Result<std::size_t> sent = co_await socket.send_all(as_bytes(text), Bytes{}, in(loop, kLong), kNoStop);
  REQUIRE(sent.has_value());
  CHECK(*sent == text.size());
}

Task<std::string> receive_to_end(io::EventLoop& loop, io::Socket& socket, std::size_t most) {
  std::string all;
  std::string some(64 * kKiB, '\0');
  while (all.size() < most) {
    const Result<std::size_t> got = co_await socket.receive_some(writable(some), in(loop, kLong), kNoStop);
    REQUIRE(got.has_value());
    if (*got == 0) break;
    all.append(some, 0, *got);
  }
  co_return all;
}

std::string pattern(std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>((i * 31 + i / 251 + i / 65'521) % 256);
  return text;
}

}  // namespace ringdrop::test
