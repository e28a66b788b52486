// A server and the connection to it: requests go out one by one, over a connection that is made when one is needed and
// kept for as long as both sides want. Also what is found out about the server once: which protocol it speaks.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "client/failure.h"
#include "client/http_client.h"
#include "client/upload_protocol.h"
#include "io/tls.h"
#include "io/worker.h"
#include "proto/http_url.h"

namespace ringdrop::client {

class ServerSession {
 public:
  // `token`: sent as Bearer with every request; "" is none. `trust` is there for https. All outlive the session.
  ServerSession(io::EventLoop& loop, io::Lane& lane, const proto::HttpUrl& server, const io::TlsTrust* trust,
                const std::string& token)
      : loop_(loop), lane_(lane), server_(server), trust_(trust), token_(token) {}

  // Fails as dial() and HttpConnection::exchange() do; every answer is a success here. Once the server has answered,
  // nothing of that is final any more: whoever stands in its place (a hotel's network) will go away.
  io::Task<Outcome<HttpAnswer>> request(HttpRequest request, BodySource* body, const std::stop_token& stop);
  // What `choice` says, or the server. final: it offers no protocol of ours.
  io::Task<Outcome<const UploadProtocol*>> find_protocol(ProtocolChoice choice, const std::stop_token& stop);
  // Ends the connection, if there is one.
  io::Task<> close();

  const proto::HttpUrl& server() const { return server_; }
  // Where uploads are made: {path}/uploads.
  std::string uploads_target() const;

 private:
  io::Task<Outcome<HttpAnswer>> try_request(const HttpRequest& request, BodySource* body, const std::stop_token& stop);
  io::Task<Outcome<>> connect(const std::stop_token& stop);

  io::EventLoop& loop_;
  io::Lane& lane_;
  const proto::HttpUrl& server_;
  const io::TlsTrust* const trust_;
  const std::string& token_;
  std::unique_ptr<HttpConnection> connection_;
  std::unique_ptr<UploadProtocol> protocol_;
  bool has_answered_ = false;
};

}  // namespace ringdrop::client
