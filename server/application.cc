#include "server/application.h"

#include "server/download_handler.h"
#include "server/help.h"
#include "server/http_error.h"
#include "server/router.h"
#include "server/upload_handler.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;

Task<Result<>> send_text(http::ResponseWriter& response, std::string_view text) {
  proto::ResponseHead head;
  head.fields.add("Content-Type", "text/plain; charset=utf-8");
  head.fields.add("X-Content-Type-Options", "nosniff");
  co_return co_await response.send(head, text);
}

Task<Result<>> send_options(http::ResponseWriter& response, std::string_view allow) {
  proto::ResponseHead head;
  head.status = 204;
  head.fields.add("Allow", allow);
  co_return co_await response.send(head, {});
}

}  // namespace

Task<Result<>> Application::handle(const proto::RequestHead& request, http::BodyReader& body,
                                   http::ResponseWriter& response, std::stop_token stop) {
  const Route to = route(request);
  switch (to.kind) {
    case Route::Kind::help: {
      const std::string text = help_text(services_.config, services_.own_host, request);
      co_return co_await send_text(response, text);
    }
    case Route::Kind::health:
      co_return co_await send_text(response, "ok\n");
    case Route::Kind::upload:
      co_return co_await handle_upload(services_, request, to.name, body, response, stop);
    case Route::Kind::download:
      co_return co_await handle_download(services_, to.token, response, stop);
    case Route::Kind::options:
      co_return co_await send_options(response, to.allow);
    case Route::Kind::not_found:
      co_return co_await send_rejection(errors::kNotFound, response);
    case Route::Kind::not_allowed:
      co_return co_await send_rejection(errors::kMethodNotAllowed, response, to.allow);
    case Route::Kind::unsupported:
      co_return co_await send_rejection(errors::kUnsupportedMethod, response);
  }
  co_return co_await send_rejection(errors::kNotFound, response);
}

Task<Result<>> Application::refuse(const proto::Rejection& why, http::ResponseWriter& response) {
  co_return co_await send_rejection(why, response);
}

}  // namespace ringdrop::server
