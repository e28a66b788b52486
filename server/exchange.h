// One request and the ways to answer it, as every handler gets it. Nothing is owned: all of it lives until the handler
// has returned.
#pragma once

#include <stop_token>
#include <string>

#include "io/address.h"
#include "proto/http_message.h"
#include "server/http/body_reader.h"
#include "server/http/response_writer.h"
#include "server/request_origin.h"

namespace ringdrop::server {

struct Exchange {
  const proto::RequestHead& request;
  const RequestOrigin& origin;
  const io::Address& peer;
  http::BodyReader& body;
  http::ResponseWriter& response;
  const std::stop_token& stop;
  const std::stop_source& cut;  // ends this connection: for who supersedes its request

  // scheme://host[/prefix], under which the client has reached us. Made anew each time: most answers name no URL.
  std::string base_url() const { return origin.base_url(request, peer); }
};

}  // namespace ringdrop::server
