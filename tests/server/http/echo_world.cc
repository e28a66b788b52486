#include "tests/server/http/echo_world.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/check.h"
#include "server/http/websocket_session.h"

namespace ringdrop::http {
namespace {

io::Task<> listen_to(WebsocketSession& session) {
  std::vector<proto::WebsocketMessage> ignored;
  for (io::Result<> heard; heard;) heard = co_await session.receive(ignored, io::kNever);
}

// Talks until it cannot, and listens beside it.
io::Task<io::Result<>> chatter(io::EventLoop& loop, ResponseWriter& response, std::stop_source cut) {
  proto::ResponseHead head;
  head.status = 101;
  io::Result<> said = co_await response.switch_protocols(head);
  const std::stop_token stop = cut.get_token();
  WebsocketSession session(response, kKiB, stop);
  io::TaskScope listening(loop);
  listening.spawn(listen_to(session));
  proto::WebsocketCodec codec(proto::WebsocketCodec::Role::server, 0);
  codec.send(std::string(1000, 'x'), true);
  const std::string frame = codec.output();
  while (said) said = co_await session.send_frames(frame);
  co_await listening.join();
  co_return io::Result<>{};
}

// More of them than a client can leave unread.
io::Task<io::Result<>> send_hints(ResponseWriter& response) {
  const proto::ResponseHead hint{.status = 104, .fields = {}};
  io::Result<> sent;
  for (int i = 0; i < 100'000 && sent; ++i) sent = co_await response.send_interim(hint);
  co_return sent;
}

}  // namespace

io::Task<io::Result<>> EchoHandler::handle(const proto::RequestHead& request, const io::Address&, BodyReader& body,
                                           ResponseWriter& response, const std::stop_source& cut) {
  if (request.path == "/chatter") co_return co_await chatter(response.inbound().loop(), response, std::move(cut));
  std::string text = request.method_text + " " + request.path + "\n";
  if (request.path == "/hints") {
    const io::Result<> hinted = co_await send_hints(response);
    if (!hinted) co_return hinted;
  }
  const std::size_t piece_bytes = request.path == "/pieces" ? kLargePiece : 1000;
  std::vector<std::byte> memory(piece_bytes);
  const MutableBytes piece(memory);
  while (!body.complete() && request.path != "/ignore") {
    const io::Result<> ready = co_await body.wait();
    if (!ready) co_return ready;
    const io::Result<std::size_t> got = co_await body.read(piece, io::Milliseconds(5));
    if (!got && body.rejection()) {
      response.close_after();
      co_return co_await refuse(*body.rejection(), response);
    }
    if (!got) co_return std::unexpected(got.error());
    text += as_text(piece.first(*got));
  }
  const proto::ResponseHead head;
  if (request.path == "/large") text.assign(kLargeAnswer, 'x');
  if (request.path != "/stream") co_return co_await response.send(head, text);
  response.start(head, std::nullopt);
  if (!response.is_head()) {
    const io::Result<> written = co_await response.write(as_bytes(text));
    if (!written) co_return written;
  }
  co_return co_await response.finish();
}

io::Task<io::Result<>> EchoHandler::refuse(const proto::Rejection& why, ResponseWriter& response) {
  proto::ResponseHead head;
  head.status = why.status;
  co_return co_await response.send(head, why.code);
}

EchoWorld::EchoWorld(uint64_t seed, HttpLimits chosen, std::size_t max_connections)
    : world(seed, disk),
      loop(world.add_loop()),
      client_loop(world.add_loop()),
      limits(chosen),
      pool(loop, 16 * kMiB),
      connections(loop, pool, handler, limits),
      accepting(loop) {
  io::Result<io::Listener> listener = io::listen(loop, *io::parse_address("127.0.0.1:0"));
  CHECK_THAT(listener.has_value());
  address = listener->address();
  acceptor.emplace(loop, std::move(*listener), all, max_connections);
  accepting.spawn(acceptor->run(accepting.stop_token()));
}

EchoWorld::~EchoWorld() {
  accepting.request_stop();
  connections.cut();
  sim::run_task(world, loop, accepting.join());
  sim::run_task(world, loop, connections.join());
  sim::run_task(world, loop, pool.close());
  CHECK_THAT(pool.lent_bytes() == 0);
}

sim::SimClient EchoWorld::client() {
  return sim::SimClient(world, client_loop, address);
}

}  // namespace ringdrop::http
