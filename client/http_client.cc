#include "client/http_client.h"

#include <algorithm>
#include <utility>

#include "io/task_scope.h"
#include "proto/http_request.h"

namespace ringdrop::client {
namespace {

using io::Errc;
using io::Result;
using io::Task;

// What is handed to the stream at a time: what a progress bar moves by.
constexpr std::size_t kSliceBytes = 256 * kKiB;

std::string request_head(const HttpRequest& request, const std::string& authority, const BodySource* body) {
  proto::Fields fields;
  fields.add("Host", authority);
  fields.add("User-Agent", "ringdrop");
  for (const proto::Field& field : request.fields) fields.add(field.name, field.value);
  // RFC 9110 8.6: a method that anticipates content says when there is none.
  const bool anticipated = request.method == "POST" || request.method == "PATCH" || request.method == "PUT";
  if (body) {
    fields.add("Content-Length", std::to_string(body->length()));
  } else if (anticipated) {
    fields.add("Content-Length", "0");
  }
  return proto::format_request_head(request.method, request.target, fields);
}

}  // namespace

HttpConnection::HttpConnection(io::EventLoop& loop, std::unique_ptr<io::Stream> stream, std::string authority)
    : loop_(loop), stream_(std::move(stream)), authority_(std::move(authority)) {}

SwitchedStream HttpConnection::switch_protocols() {
  return {std::move(stream_), std::string(as_text(std::exchange(unread_, {})))};
}

Task<Result<HttpAnswer>> HttpConnection::exchange(const HttpRequest& request, BodySource* body,
                                                  const std::stop_token& stop) {
  reusable_ = false;
  const std::string head = request_head(request, authority_, body);
  Sending sending;
  io::TaskScope scope(loop_);
  const std::stop_token send_stop = scope.stop_token();
  const auto stop_both = [&] {
    scope.request_stop();
    sending.receiving.request_stop();
  };
  const std::stop_callback on_stop(stop, stop_both);
  scope.spawn(send(head, body, sending, send_stop));
  Result<HttpAnswer> answer = co_await receive(request.method == "HEAD", sending);
  // With the answer there, the rest of the body is of no use.
  scope.request_stop();
  co_await scope.join();
  if (answer) {
    reusable_ = sending.result.has_value() && answer->head.keep_alive && parser_.body_complete() && unread_.empty() &&
                answer->status() != 101;
    co_return answer;
  }
  if (stop.stop_requested()) co_return io::fail(Errc::cancelled, "request");
  // A connection that ended is told by the side that heard nothing; all else by the one that failed first.
  if (!sending.result && sending.result.error().code != Errc::closed &&
      sending.result.error().code != Errc::cancelled) {
    co_return std::unexpected(sending.result.error());
  }
  co_return answer;
}

Task<> HttpConnection::send(const std::string& head, BodySource* body, Sending& sending, const std::stop_token& stop) {
  sending.result = co_await send_all(head, body, stop);
  sending.over = true;
  sending.over_at = loop_.now();
  // When the peer has ended the connection, it may have said why before.
  if (!sending.result && sending.result.error().code != Errc::closed) sending.receiving.request_stop();
}

Task<Result<>> HttpConnection::send_all(const std::string& head, BodySource* body, const std::stop_token& stop) {
  const Result<> begun = co_await stream_->send_all(as_bytes(head), kSendStallLimit, stop);
  if (!begun || !body) co_return begun;
  for (;;) {
    const Result<Bytes> piece = co_await body->next();
    if (!piece) co_return std::unexpected(piece.error());
    if (piece->empty()) co_return Result<>{};
    Bytes rest = *piece;
    while (!rest.empty()) {
      const Bytes slice = rest.first(std::min(rest.size(), kSliceBytes));
      const Result<> sent = co_await stream_->send_all(slice, kSendStallLimit, stop);
      if (!sent) co_return std::unexpected(sent.error());
      body->sent(slice.size());
      rest = rest.subspan(slice.size());
    }
  }
}

Task<Result<HttpAnswer>> HttpConnection::receive(bool to_head, Sending& sending) {
  do {
    parser_.expect(to_head);
    const Result<> there = co_await receive_head(sending);
    if (!there) co_return std::unexpected(there.error());
  } while (parser_.head().interim());
  HttpAnswer answer;
  answer.head = parser_.head();
  const Result<> whole = co_await receive_body(answer.body, sending);
  // The head has said what counts; words that were torn are torn words.
  if (!whole && whole.error().code == Errc::cancelled) co_return std::unexpected(whole.error());
  co_return answer;
}

Task<Result<>> HttpConnection::receive_head(Sending& sending) {
  while (!parser_.head_complete()) {
    if (unread_.empty()) {
      const Result<std::size_t> got = co_await receive_more(sending);
      if (!got) co_return std::unexpected(got.error());
      if (*got == 0) co_return io::fail(Errc::closed, "receive");
    }
    const auto consumed = parser_.parse_head(unread_);
    if (!consumed) co_return io::fail(Errc::refused, consumed.error().reason);
    unread_ = unread_.subspan(*consumed);
  }
  co_return Result<>{};
}

// At most kMostAnswerBytes; what is longer is left where it is.
Task<Result<>> HttpConnection::receive_body(std::string& content, Sending& sending) {
  std::array<std::byte, 4 * kKiB> piece;
  while (!parser_.body_complete() && content.size() < kMostAnswerBytes) {
    if (unread_.empty()) {
      const Result<std::size_t> got = co_await receive_more(sending);
      if (!got) co_return std::unexpected(got.error());
      if (*got == 0 && !parser_.finish_by_close()) co_return io::fail(Errc::closed, "receive");
      if (*got == 0) break;
    }
    const auto decoded = parser_.decode(unread_, piece);
    if (!decoded) co_return io::fail(Errc::refused, decoded.error().reason);
    content += as_text(Bytes(piece).first(decoded->produced));
    unread_ = unread_.subspan(decoded->consumed);
  }
  co_return Result<>{};
}

// While the request is on its way the server owes nothing: the sender has a limit of its own.
Task<Result<std::size_t>> HttpConnection::receive_more(Sending& sending) {
  const std::stop_token stop = sending.receiving.get_token();
  for (;;) {
    const io::TimePoint asked = loop_.now();
    const Result<std::size_t> got = co_await stream_->receive_some(received_, asked + kAnswerLimit, stop);
    if (got) {
      unread_ = Bytes(received_).first(*got);
      co_return *got;
    }
    const bool waited = sending.over && sending.over_at <= asked;
    if (got.error().code != Errc::timed_out || waited) co_return std::unexpected(got.error());
  }
}

}  // namespace ringdrop::client
