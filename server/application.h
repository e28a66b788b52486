// The application behind one loop's connections: route, then handler.
#pragma once

#include <stop_token>
#include <string>

#include "server/exchange.h"
#include "server/http/connection.h"
#include "server/readiness.h"
#include "server/request_origin.h"
#include "server/router.h"
#include "server/services.h"

namespace ringdrop::server {

class Application final : public http::Handler {
 public:
  // `own_host`: see RequestOrigin; outlives it, as all of the services do.
  Application(const Services& services, const std::string& own_host)
      : services_(services), origin_(services.config, own_host), readiness_(services_) {}

  io::Task<io::Result<>> handle(const proto::RequestHead& request, const io::Address& peer, http::BodyReader& body,
                                http::ResponseWriter& response, const std::stop_source& cut) override;
  io::Task<io::Result<>> refuse(const proto::Rejection& why, http::ResponseWriter& response) override;

 private:
  io::Task<io::Result<>> dispatch(const Route& to, const Exchange& exchange);

  Services services_;
  RequestOrigin origin_;
  Readiness readiness_;
};

}  // namespace ringdrop::server
