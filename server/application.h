// The application behind one loop's connections: route, then handler.
#pragma once

#include <stop_token>

#include "server/http/connection.h"
#include "server/services.h"

namespace ringdrop::server {

class Application final : public http::Handler {
 public:
  explicit Application(Services services) : services_(services) {}

  io::Task<io::Result<>> handle(const proto::RequestHead& request, http::BodyReader& body,
                                http::ResponseWriter& response, std::stop_token stop) override;
  io::Task<io::Result<>> refuse(const proto::Rejection& why, http::ResponseWriter& response) override;

 private:
  Services services_;
};

}  // namespace ringdrop::server
