#include "server/application.h"

#include "proto/tus.h"
#include "server/cors.h"
#include "server/download_handler.h"
#include "server/download_plan.h"
#include "server/help.h"
#include "server/http_error.h"
#include "server/link_handler.h"
#include "server/metrics.h"
#include "server/resumable_handler.h"
#include "server/tus_handler.h"
#include "server/tus_request.h"
#include "server/upload_handler.h"
#include "server/upload_view.h"
#include "server/watch_handler.h"
#include "server/web_page.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;

constexpr std::string_view kRobots = "User-agent: *\nDisallow: /\n";

Task<Result<>> send_text(const Exchange& exchange, std::string_view text) {
  proto::ResponseHead head;
  head.fields.add("Content-Type", "text/plain; charset=utf-8");
  head.fields.add("X-Content-Type-Options", "nosniff");
  co_return co_await exchange.response.send(head, text);
}

bool reads(const proto::RequestHead& request) {
  return request.method == proto::Method::get || request.method == proto::Method::head;
}

Task<Result<>> send_help(const Config& config, const Exchange& exchange) {
  proto::ResponseHead head;
  head.fields.add("Content-Type", "text/plain; charset=utf-8");
  head.fields.add("X-Content-Type-Options", "nosniff");
  head.fields.add("Vary", "Accept");  // a browser gets the page
  const std::string text = help_text(config, exchange.base_url());
  co_return co_await exchange.response.send(head, text);
}

Task<Result<>> send_options(const Services& services, const Exchange& exchange, std::string_view allow) {
  proto::ResponseHead head;
  head.status = 204;
  if (!answer_preflight(services.config, exchange.request, allow, head.fields)) head.fields.add("Allow", allow);
  add_tus_discovery(services.config, head.fields);
  add_resumable_discovery(services.config, head.fields);
  co_return co_await exchange.response.send(head, {});
}

// What an acknowledged upload survives here is said with it.
Task<Result<>> send_readiness(const Services& services, Readiness& readiness, const Exchange& exchange) {
  const std::optional<proto::Rejection> trouble = co_await readiness.trouble();
  if (trouble) co_return co_await send_rejection(*trouble, exchange);
  const bool full = services.blobs.durability() == storage::Durability::full;
  co_return co_await send_text(exchange, full ? "ready\ndurability: full\n" : "ready\ndurability: process\n");
}

Task<Result<>> send_metrics(const Services& services, const Exchange& exchange) {
  proto::ResponseHead head;
  head.fields.add("Content-Type", "text/plain; version=0.0.4");
  const std::string text = co_await format_metrics(services);
  co_return co_await exchange.response.send(head, text);
}

// The method that X-HTTP-Method-Override names instead of POST, where PATCH and DELETE do not come through: in
// tus 1.0.0 alone.
proto::Method overridden(const proto::RequestHead& request) {
  const std::string_view name = request.fields.find("X-HTTP-Method-Override").value_or("");
  const bool tus = request.fields.count("Tus-Resumable") > 0;
  if (!tus || request.method != proto::Method::post) return request.method;
  if (name == "PATCH") return proto::Method::patch;
  if (name == "DELETE") return proto::Method::delete_;
  if (name == "HEAD") return proto::Method::head;
  return proto::Method::post;
}

Task<Result<>> handle_upload_of(const Services& services, const Exchange& exchange, std::string_view id) {
  const proto::Method method = overridden(exchange.request);
  const bool tus = exchange.request.fields.find("Tus-Resumable").has_value();
  if (method == proto::Method::get) co_return co_await handle_upload_view(services, exchange, id);
  if (method == proto::Method::post) {
    proto::Fields fields;
    fields.add("Allow", "DELETE, GET, HEAD, PATCH, OPTIONS");
    co_return co_await send_rejection(errors::kMethodNotAllowed, exchange, fields);
  }
  // tus's own type tells whom it is from, whatever else is missing.
  const bool tus_content = has_tus_content(exchange.request);
  if (!tus && !tus_content) co_return co_await handle_resumable_upload(services, exchange, method, id);
  co_return co_await handle_tus_upload(services, exchange, method, id);
}

Task<Result<>> send_not_allowed(const Exchange& exchange, std::string_view allow) {
  proto::Fields fields;
  fields.add("Allow", allow);
  co_return co_await send_rejection(errors::kMethodNotAllowed, exchange, fields);
}

Task<Result<>> send_nothing_there(const Exchange& exchange) {
  if (reads(exchange.request) && is_navigation(exchange.request)) co_return co_await send_missing_page(exchange);
  // As that of a link that is not there: a client cannot tell which it was.
  proto::Fields fields;
  fields.add("Vary", kDownloadVary);
  co_return co_await send_rejection(errors::kNotFound, exchange, fields);
}

}  // namespace

Task<Result<>> Application::handle(const proto::RequestHead& request, const io::Address& peer, http::BodyReader& body,
                                   http::ResponseWriter& response, const std::stop_source& cut) {
  add_cors_fields(services_.config, request, response);
  // "The Tus-Resumable header MUST be included in every request and response except for OPTIONS requests."
  const bool tus = request.fields.find("Tus-Resumable") && request.method != proto::Method::options;
  if (tus) response.add_field("Tus-Resumable", proto::kTusVersion);
  const Exchange exchange{request, origin_, peer, body, response, response.stop(), cut};
  const Route to = route(request);
  co_return co_await dispatch(to, exchange);
}

// What it returns is awaited before `exchange` goes.
Task<Result<>> Application::dispatch(const Route& to, const Exchange& exchange) {
  switch (to.kind) {
    case Route::Kind::help:
      if (accepts_page(exchange.request)) return send_index_page(services_.config, exchange);
      return send_help(services_.config, exchange);
    case Route::Kind::health:
      return send_text(exchange, "ok\n");
    case Route::Kind::readiness:
      return send_readiness(services_, readiness_, exchange);
    case Route::Kind::metrics:
      return send_metrics(services_, exchange);
    case Route::Kind::robots:
      return send_text(exchange, kRobots);
    case Route::Kind::favicon:
      return send_favicon(exchange);
    case Route::Kind::asset:
      return send_asset(exchange, to.name);
    case Route::Kind::upload:
      return handle_upload(services_, exchange, to.name);
    case Route::Kind::post:
      return handle_post(services_, exchange);
    case Route::Kind::download:
      return handle_download(services_, exchange, to.token);
    case Route::Kind::link_info:
      return handle_link_info(services_, exchange, to.token);
    case Route::Kind::remove:
      return handle_delete(services_, exchange, to.token);
    case Route::Kind::remove_url:
      return handle_delete_url(services_, exchange, to.token, to.secret);
    case Route::Kind::link_form:
      return handle_link_form(services_, exchange, to.token);
    case Route::Kind::uploads:
      if (exchange.request.fields.find("Tus-Resumable") || has_tus_content(exchange.request)) {
        return handle_tus_creation(services_, exchange);
      }
      if (is_resumable(exchange.request)) return handle_upload(services_, exchange, {});
      return send_rejection(errors::kUnknownProtocol, exchange);
    case Route::Kind::upload_of:
      return handle_upload_of(services_, exchange, to.id);
    case Route::Kind::watch:
      return handle_watch(services_, exchange, to.id);
    case Route::Kind::upload_progress:
      return handle_upload_progress(services_, exchange, to.id);
    case Route::Kind::options:
      return send_options(services_, exchange, to.allow);
    case Route::Kind::not_allowed:
      return send_not_allowed(exchange, to.allow);
    case Route::Kind::unsupported:
      return send_rejection(errors::kUnsupportedMethod, exchange);
    case Route::Kind::not_found:
      break;
  }
  return send_nothing_there(exchange);
}

Task<Result<>> Application::refuse(const proto::Rejection& why, http::ResponseWriter& response) {
  co_return co_await send_rejection_line(why, response);
}

}  // namespace ringdrop::server
