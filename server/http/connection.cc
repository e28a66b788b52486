#include "server/http/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <expected>
#include <string>
#include <utility>

#include "server/http/inbound.h"

namespace ringdrop::http {
namespace {

using io::Errc;
using io::Result;
using io::Task;

// How long a connection that was accepted while the server drains may take to show its request.
constexpr io::Milliseconds kLateRequest{100};

constexpr proto::Rejection kSlowHead{408, "head_timeout", "the request head did not arrive in time"};
constexpr proto::Rejection kNoMemory{503, "busy", "the server is at a limit, try again soon"};

// Enough of a target to find it again; all of it would put the secret of a link into the log.
std::string_view shortened(std::string_view target) {
  return target.substr(0, 7);
}

class Connection {
 public:
  Connection(const LoopParts& parts, io::Socket socket, const io::Address& peer, ConnectionStops stops)
      : loop_(parts.loop),
        socket_(std::move(socket)),
        peer_(peer),
        handler_(parts.handler),
        limits_(parts.limits),
        stops_(std::move(stops)),
        inbound_(loop_, parts.pool, socket_),
        head_charge_(parts.heads),
        parser_(limits_.parser),
        response_(loop_, inbound_, limits_, stops_.drain, stops_.cut),
        with_all_(std::exchange(stops_.cut, cut_.get_token()), Cut{&cut_}) {}

  Task<> serve();

 private:
  struct Cut {
    std::stop_source* source;
    void operator()() const noexcept { source->request_stop(); }
  };
  enum class Next : uint8_t { request, close, linger };

  Task<std::expected<bool, proto::Rejection>> read_head();
  Task<Next> serve_request();
  Task<Next> refuse(proto::Rejection why);
  Task<bool> skip_rest_of_body(BodyReader& body);
  Task<> linger();
  void log_request(const BodyReader& body, const Result<>& result);

  io::EventLoop& loop_;
  io::Socket socket_;
  io::Address peer_;
  Handler& handler_;
  const HttpLimits& limits_;
  ConnectionStops stops_;
  Inbound inbound_;
  HeadCharge head_charge_;
  proto::HttpParser parser_;
  ResponseWriter response_;
  std::stop_source cut_;              // of this connection alone
  std::stop_callback<Cut> with_all_;  // and when all are cut
  bool first_request_ = true;
};

Task<> Connection::serve() {
  Next next = Next::request;
  while (next == Next::request) {
    next = co_await serve_request();
    first_request_ = false;
  }
  if (next == Next::linger) co_await linger();
}

// The next head; false when the peer has ended instead, the idle time is over, or the server drains.
Task<std::expected<bool, proto::Rejection>> Connection::read_head() {
  parser_.reset();
  head_charge_.reset();
  io::TimePoint deadline = loop_.now() + limits_.idle_timeout;
  // Accepted while the server drains: its request may be on the way already.
  bool late = first_request_ && stops_.drain.stop_requested();
  if (late) deadline = loop_.now() + kLateRequest;
  while (!parser_.head_complete()) {
    if (inbound_.unused().empty()) {
      const bool idle = !parser_.head_started() && !late;
      const std::stop_token& stop = idle ? stops_.drain : stops_.cut;
      const Result<> there = co_await inbound_.wait_for_request(deadline, stop);
      if (!there && there.error().code == Errc::cancelled && idle && !stops_.cut.stop_requested()) {
        // The drain woke us; a request may have arrived in the same moment, and a close would reset it.
        late = true;
        deadline = loop_.now() + kLateRequest;
        continue;
      }
      if (!there && there.error().code == Errc::timed_out && parser_.head_started()) {
        co_return std::unexpected(kSlowHead);
      }
      if (!there) co_return false;
      if (!inbound_.take_short_request()) {
        const Result<bool> received = co_await inbound_.receive(loop_.now() + limits_.head_timeout, stops_.cut);
        if (!received && received.error().code == Errc::exhausted) co_return std::unexpected(kNoMemory);
        if (!received || !*received) co_return false;
      }
    }
    // The time for a head runs from its first byte, however slowly it comes.
    if (!parser_.head_started()) deadline = loop_.now() + limits_.head_timeout;
    const auto consumed = parser_.parse_head(inbound_.unused());
    if (!consumed) co_return std::unexpected(consumed.error());
    inbound_.consume(*consumed);
    if (!head_charge_.add(*consumed)) co_return std::unexpected(kNoMemory);
  }
  co_return true;
}

Task<Connection::Next> Connection::refuse(proto::Rejection why) {
  response_.begin_unparsed();
  const Result<> sent = co_await handler_.refuse(why, response_);
  co_return sent ? Next::linger : Next::close;
}

Task<Connection::Next> Connection::serve_request() {
  const std::expected<bool, proto::Rejection> got = co_await read_head();
  if (!got) co_return co_await refuse(got.error());
  if (!*got) co_return Next::close;

  const proto::RequestHead& head = parser_.head();
  response_.begin(head);
  BodyReader body(inbound_, parser_, response_, limits_, stops_.cut);
  response_.watch(body);
  const Result<> handled = co_await handler_.handle(head, peer_, body, response_, cut_);
  // An upload in large pieces is no reason to be quick with them.
  if (body.bytes_read() <= kShortBodyBytes) loop_.health().note_request(loop_.now());
  log_request(body, handled);
  if (!handled || !response_.finished()) co_return Next::close;
  // A client that still waits for its 100 will not send the body; one that has begun must be drained.
  bool reusable = body.complete();
  if (!reusable) reusable = co_await skip_rest_of_body(body);
  const bool go_on = reusable && response_.keep_alive() && !inbound_.has_dropped() && !stops_.drain.stop_requested();
  co_return go_on ? Next::request : Next::linger;
}

// Reads the little that is left of a body nobody wanted; false: too much, or unknown, close instead.
Task<bool> Connection::skip_rest_of_body(BodyReader& body) {
  if (!response_.keep_alive() || !body.can_be_skipped()) co_return false;
  std::array<std::byte, 4 * kKiB> discarded;
  const io::TimePoint deadline = loop_.now() + limits_.linger_timeout;
  uint64_t skipped = 0;
  while (!body.complete()) {
    const Result<std::size_t> got = co_await body.read(discarded, limits_.linger_timeout);
    if (!got) co_return false;
    skipped += *got;
    if (skipped > limits_.drain_bytes || loop_.now() >= deadline) co_return false;
  }
  co_return true;
}

// An answer that is followed at once by a close can be lost: bytes that arrive afterwards make the kernel send RST, and
// the client drops what it has not read. So: end our half, then discard what still comes for a while (RFC 9112 9.6).
Task<> Connection::linger() {
  const Result<> ended = co_await socket_.shutdown_write();
  if (!ended) co_return;
  inbound_.consume(inbound_.unused().size());
  std::array<std::byte, kKiB> discarded;
  const io::TimePoint deadline = loop_.now() + limits_.linger_timeout;
  while (loop_.now() < deadline) {
    const Result<std::size_t> received = co_await socket_.receive_some(discarded, deadline, stops_.cut);
    if (!received || *received == 0) co_return;
  }
}

void Connection::log_request(const BodyReader& body, const Result<>& result) {
  const auto level = result ? io::Log::Level::debug : io::Log::Level::info;
  if (!loop_.log().enabled(level)) return;
  const proto::RequestHead& head = parser_.head();
  const std::string expected = body.length() ? std::to_string(*body.length()) : "?";
  loop_.log().write(level, fmt::format("{} {} {} status={} received={}/{} sent={}{}{}", io::format_address(peer_),
                                       head.method_text, shortened(head.target), response_.status(), body.bytes_read(),
                                       expected, response_.body_bytes_sent(),
                                       result ? "" : " error=", result ? "" : io::describe(result.error())));
}

}  // namespace

Task<> serve_connection(LoopParts parts, io::Socket socket, io::Address peer, ConnectionStops stops) {
  Connection connection(parts, std::move(socket), peer, std::move(stops));
  co_await connection.serve();
}

}  // namespace ringdrop::http
