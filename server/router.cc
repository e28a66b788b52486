#include "server/router.h"

#include <vector>

#include "db/tokens.h"
#include "proto/uri.h"

namespace ringdrop::server {
namespace {

using proto::Method;

// A path shape: what reading it means, and which methods apply. Every path of one segment can be PUT.
struct Shape {
  Route::Kind read = Route::Kind::not_found;
  std::string_view allow{};
  bool takes_upload = false;
};

constexpr std::string_view kReadOnly = "GET, HEAD, OPTIONS";
constexpr std::string_view kReadAndUpload = "GET, HEAD, PUT, OPTIONS";

Shape shape_of(const std::vector<std::string_view>& segments) {
  const bool one = segments.size() == 1;
  if (one && segments[0].empty()) return {Route::Kind::help, kReadAndUpload, true};
  if (one && segments[0] == "healthz") return {Route::Kind::health, kReadAndUpload, true};
  if (segments.size() <= 2 && db::is_link_token(segments[0])) {
    return {Route::Kind::download, one ? kReadAndUpload : kReadOnly, one};
  }
  return {Route::Kind::not_found, {}, one};
}

}  // namespace

Route route(const proto::RequestHead& request) {
  switch (request.method) {
    case Method::connect:
    case Method::trace:
    case Method::other:
      return {.kind = Route::Kind::unsupported};
    default:
      break;
  }
  if (request.path == "*") return {.kind = Route::Kind::options, .allow = kReadAndUpload};
  const std::vector<std::string_view> segments = proto::path_segments(request.path);
  const Shape shape = shape_of(segments);
  if (request.method == Method::put && shape.takes_upload) {
    return {.kind = Route::Kind::upload, .name = segments[0]};
  }
  if (shape.read == Route::Kind::not_found) return {};
  const bool reads = request.method == Method::get || request.method == Method::head;
  const bool asks = request.method == Method::options;
  const Route::Kind kind = reads ? shape.read : asks ? Route::Kind::options : Route::Kind::not_allowed;
  return {.kind = kind, .token = segments[0], .allow = shape.allow};
}

}  // namespace ringdrop::server
