#include "client/server_session.h"

#include <utility>

#include "client/dial.h"

namespace ringdrop::client {

using io::Result;
using io::Task;

std::string ServerSession::uploads_target() const {
  std::string path = server_.path;
  while (path.ends_with('/')) path.pop_back();
  return path + "/uploads";
}

Task<Outcome<>> ServerSession::connect(const std::stop_token& stop) {
  if (connection_) co_return Outcome<>{};
  Outcome<std::unique_ptr<io::Stream>> stream = co_await dial(loop_, lane_, server_, trust_, stop);
  if (!stream) co_return std::unexpected(std::move(stream.error()));
  connection_ = std::make_unique<HttpConnection>(loop_, std::move(*stream), server_.authority);
  co_return Outcome<>{};
}

Task<Outcome<HttpAnswer>> ServerSession::request(HttpRequest request, BodySource* body, const std::stop_token& stop) {
  request.fields.add("Accept", "application/json, text/plain;q=0.5");
  if (!token_.empty()) request.fields.add("Authorization", "Bearer " + token_);
  Outcome<HttpAnswer> answer = co_await try_request(request, body, stop);
  if (!answer && has_answered_ && answer.error().kind == Failure::Kind::final) {
    answer.error().kind = Failure::Kind::again;
  }
  if (answer) has_answered_ = true;
  co_return answer;
}

Task<Outcome<HttpAnswer>> ServerSession::try_request(const HttpRequest& request, BodySource* body,
                                                     const std::stop_token& stop) {
  Outcome<> connected = co_await connect(stop);
  if (!connected) co_return std::unexpected(std::move(connected.error()));
  Result<HttpAnswer> answer = co_await connection_->exchange(request, body, stop);
  if (!connection_->reusable()) connection_.reset();
  if (!answer) co_return std::unexpected(connection_failure(answer.error()));
  co_return std::move(*answer);
}

Task<Outcome<const UploadProtocol*>> ServerSession::find_protocol(ProtocolChoice choice, const std::stop_token& stop) {
  if (!protocol_ && choice == ProtocolChoice::ietf) protocol_ = make_ietf_protocol();
  if (!protocol_ && choice == ProtocolChoice::tus) protocol_ = make_tus_protocol();
  if (!protocol_) {
    HttpRequest question{"OPTIONS", uploads_target(), {}};
    const Outcome<HttpAnswer> answer = co_await request(std::move(question), nullptr, stop);
    if (!answer) co_return std::unexpected(answer.error());
    protocol_ = discover_protocol(answer->head.fields);
    if (!protocol_) {
      Failure why = answer_failure(*answer, false);
      // A proxy whose server is away has other words than a server that has no such thing.
      if (why.kind == Failure::Kind::final) {
        why.words = "no resumable uploads are offered at " + server_.authority + uploads_target() + " (status " +
                    std::to_string(answer->status()) + ")";
      }
      co_return std::unexpected(std::move(why));
    }
  }
  co_return protocol_.get();
}

Task<> ServerSession::close() {
  if (connection_) co_await connection_->say_goodbye();
  connection_.reset();
}

}  // namespace ringdrop::client
