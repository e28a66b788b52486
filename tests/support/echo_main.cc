// ringdrop-echo: our HTTP engine without the application, for suites that test HTTP/1.1 framing from outside.
//
//   ringdrop-echo [ADDR:PORT]      default 127.0.0.1:0; says "listening on ADDR:PORT" on standard output
//
// Any method on any path is answered 200 with the body of the request, in memory, up to 16 MiB (more: 413). A request
// for a websocket gets one that echoes messages of up to 16 MiB (more: closed with 1009). It is built with the tests
// and never installed. SIGTERM and SIGINT end it at once.
#include <array>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "io/address.h"
#include "io/buffer_pool.h"
#include "io/event_loop.h"
#include "io/log.h"
#include "io/process_limits.h"
#include "io/signals.h"
#include "io/socket.h"
#include "io/task_scope.h"
#include "io/uring_ring.h"
#include "io/worker.h"
#include "server/http/acceptor.h"
#include "server/http/connection.h"
#include "server/http/connections.h"
#include "server/http/limits.h"
#include "server/http/websocket_session.h"

namespace ringdrop::test {
namespace {

using io::Result;
using io::Task;

constexpr uint64_t kLongestBody = 16 * kMiB;
constexpr uint64_t kPoolBytes = 32 * kMiB;
constexpr std::size_t kMostConnections = 1000;
constexpr io::Milliseconds kPatience{10};

constexpr proto::Rejection kTooLong{413, "too_long", "16 MiB are echoed, no more"};
constexpr proto::Rejection kStalled{408, "stalled", "the body moved too little for too long"};

Task<Result<>> send_rejection(const proto::Rejection& why, http::ResponseWriter& response) {
  response.close_after();
  proto::ResponseHead head;
  head.status = why.status;
  head.fields.add("Content-Type", "text/plain; charset=utf-8");
  const std::string text = "ringdrop-echo: " + std::to_string(why.status) + " " + why.code + ": " + why.reason + "\n";
  co_return co_await response.send(head, text);
}

// The whole body, or why there is none.
struct Collected {
  std::string bytes;
  std::optional<proto::Rejection> refused;
  bool broken = false;  // nobody is left to be answered
};

Task<Collected> collect(http::BodyReader& body) {
  Collected collected;
  if (body.length() && *body.length() > kLongestBody) {
    collected.refused = kTooLong;
    co_return collected;
  }
  std::array<std::byte, 16 * kKiB> piece;
  while (!body.complete()) {
    const Result<> ready = co_await body.wait();
    Result<std::size_t> got = ready ? Result<std::size_t>(0) : std::unexpected(ready.error());
    if (ready) got = co_await body.read(piece, kPatience);
    if (!got) {
      if (body.rejection()) collected.refused = body.rejection();
      if (got.error().code == io::Errc::timed_out) collected.refused = kStalled;
      collected.broken = !collected.refused;
      co_return collected;
    }
    collected.bytes += as_text(Bytes(piece).first(*got));
    if (collected.bytes.size() > kLongestBody) {
      collected.refused = kTooLong;
      co_return collected;
    }
  }
  co_return collected;
}

Task<Result<>> echo_messages(const proto::RequestHead& request, http::ResponseWriter& response, std::stop_source cut) {
  const auto accept = proto::accept_websocket(request);
  if (!accept) co_return co_await send_rejection(accept.error(), response);
  proto::ResponseHead head;
  head.status = 101;
  head.fields.add("Upgrade", "websocket");
  head.fields.add("Connection", "Upgrade");
  head.fields.add("Sec-WebSocket-Accept", *accept);
  Result<> going_on = co_await response.switch_protocols(head);
  const std::stop_token stop = cut.get_token();
  http::WebsocketSession session(response, kLongestBody, stop);
  std::vector<proto::WebsocketMessage> messages;
  while (going_on) {
    messages.clear();
    going_on = co_await session.receive(messages, io::kNever);
    for (const proto::WebsocketMessage& message : messages) {
      if (going_on) going_on = co_await session.send(message.payload, message.text);
    }
  }
  co_return Result<>{};
}

class Echo final : public http::Handler {
 public:
  Task<Result<>> handle(const proto::RequestHead& request, const io::Address&, http::BodyReader& body,
                        http::ResponseWriter& response, const std::stop_source& cut) override {
    if (proto::asks_for_websocket(request)) co_return co_await echo_messages(request, response, std::move(cut));
    const Collected collected = co_await collect(body);
    if (collected.refused) co_return co_await send_rejection(*collected.refused, response);
    if (collected.broken) co_return io::fail(io::Errc::closed, "receive");
    proto::ResponseHead head;
    head.fields.add("Content-Type", request.fields.find("Content-Type").value_or("application/octet-stream"));
    co_return co_await response.send(head, collected.bytes);
  }

  Task<Result<>> refuse(const proto::Rejection& why, http::ResponseWriter& response) override {
    co_return co_await send_rejection(why, response);
  }
};

int complain(const char* what, const io::Error& error) {
  std::fprintf(stderr, "ringdrop-echo: %s: %s\n", what, io::describe(error).c_str());
  return 1;
}

// Serves until a signal, then stops the loop.
Task<> serve(io::EventLoop& loop, io::Listener listener, io::TerminationSignals& signals) {
  Echo echo;
  const http::HttpLimits limits;
  io::BufferPool pool(loop, kPoolBytes);
  http::Connections connections(loop, pool, echo, limits);
  const std::array<http::Connections*, 1> loops{&connections};
  http::Acceptor acceptor(loop, std::move(listener), loops, kMostConnections);
  io::TaskScope accepting(loop);
  accepting.spawn(acceptor.run(accepting.stop_token()));

  const std::stop_token no_stop;
  static_cast<void>(co_await signals.next(no_stop));
  accepting.request_stop();
  co_await accepting.join();
  connections.drain();
  connections.cut();
  co_await connections.join();
  co_await pool.close();
  loop.stop();
}

int run(std::string_view where) {
  const std::optional<io::Address> address = io::parse_address(where);
  if (!address) {
    std::fprintf(stderr, "usage: ringdrop-echo [ADDR:PORT]\n");
    return 64;
  }
  io::block_termination_signals();
  io::Log log(io::Log::Level::warn);
  io::WorkerLane blocking("blocking", 1, 64);
  Result<std::unique_ptr<io::UringRing>> ring = io::UringRing::create(blocking, io::lockable_bytes());
  if (!ring) return complain("no io_uring", ring.error());
  io::EventLoop loop(**ring, log);
  Result<io::TerminationSignals> signals = io::TerminationSignals::open(loop);
  if (!signals) return complain("no signals", signals.error());
  Result<io::Listener> listener = io::listen(loop, *address);
  if (!listener) return complain("cannot listen", listener.error());
  std::printf("listening on %s\n", io::format_address(listener->address()).c_str());
  std::fflush(stdout);

  io::TaskScope life(loop);
  life.spawn(serve(loop, std::move(*listener), *signals));
  loop.run();
  return 0;
}

}  // namespace
}  // namespace ringdrop::test

int main(int argc, char** argv) {
  return ringdrop::test::run(argc > 1 ? argv[1] : "127.0.0.1:0");
}
