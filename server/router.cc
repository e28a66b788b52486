#include "server/router.h"

#include <array>
#include <vector>

#include "db/tokens.h"
#include "proto/uri.h"
#include "server/upload_id.h"

namespace ringdrop::server {
namespace {

using proto::Method;
using Kind = Route::Kind;

// A path shape: what each method means there; not_found: it does not apply.
struct Shape {
  Kind get = Kind::not_found;
  Kind put = Kind::not_found;
  Kind post = Kind::not_found;
  Kind delete_ = Kind::not_found;
  Kind patch = Kind::not_found;
  std::string_view allow{};  // empty: not a shape of ours, all is 404
  std::string_view token{};
  std::string_view secret{};
  std::string_view id{};
  bool only_upload = false;
};

struct FixedPath {
  std::string_view segment;
  Kind get;
};
constexpr std::array kFixedPaths{
    FixedPath{"healthz", Kind::health},    FixedPath{"readyz", Kind::readiness},    FixedPath{"metrics", Kind::metrics},
    FixedPath{"robots.txt", Kind::robots}, FixedPath{"favicon.ico", Kind::favicon},
};

// Every path of one segment can be PUT.
Shape shape_of(const std::vector<std::string_view>& segments) {
  const std::string_view first = segments[0];
  if (segments.size() == 1) {
    if (first.empty()) {
      return {.get = Kind::help, .put = Kind::upload, .post = Kind::post, .allow = "GET, HEAD, POST, PUT, OPTIONS"};
    }
    for (const FixedPath& path : kFixedPaths) {
      if (first == path.segment) return {.get = path.get, .put = Kind::upload, .allow = "GET, HEAD, PUT, OPTIONS"};
    }
    // Nothing is there to be read, and a 405 would say that there is; but a script's preflight asks.
    if (first == "uploads") return {.put = Kind::upload, .post = Kind::uploads, .allow = "POST, PUT, OPTIONS"};
    if (!db::is_link_token(first)) return {.put = Kind::upload, .allow = "PUT, OPTIONS", .only_upload = true};
    return {.get = Kind::download,
            .put = Kind::upload,
            .post = Kind::link_form,
            .delete_ = Kind::remove,
            .allow = "DELETE, GET, HEAD, POST, PUT, OPTIONS",
            .token = first};
  }
  if (segments.size() == 2 && first == "assets") return {.get = Kind::asset, .allow = "GET, HEAD, OPTIONS"};
  if (segments.size() == 3 && first == "api" && segments[1] == "links" && db::is_link_token(segments[2])) {
    return {.get = Kind::link_info, .allow = "GET, HEAD, OPTIONS", .token = segments[2]};
  }
  if (segments.size() == 2 && first == "uploads" && is_upload_id(segments[1])) {
    return {.get = Kind::upload_of,
            .post = Kind::upload_of,
            .delete_ = Kind::upload_of,
            .patch = Kind::upload_of,
            .allow = "DELETE, GET, HEAD, PATCH, POST, OPTIONS",
            .id = segments[1]};
  }
  if (segments.size() == 2 && first == "watch" && is_upload_id(segments[1])) {
    return {.get = Kind::watch, .allow = "GET, HEAD, OPTIONS", .id = segments[1]};
  }
  if (segments.size() == 3 && first == "uploads" && is_upload_id(segments[1]) && segments[2] == "progress") {
    return {.get = Kind::upload_progress, .allow = "GET, HEAD, OPTIONS", .id = segments[1]};
  }
  if (!db::is_link_token(first)) return {};
  // The URL that was handed out: what goes with the token goes with it, too.
  if (segments.size() == 2) {
    return {.get = Kind::download,
            .post = Kind::link_form,
            .delete_ = Kind::remove,
            .allow = "DELETE, GET, HEAD, POST, OPTIONS",
            .token = first};
  }
  if (segments.size() == 3 && db::is_link_token(segments[2])) {
    // A GET never deletes: links are prefetched.
    return {.delete_ = Kind::remove_url, .allow = "DELETE, OPTIONS", .token = first, .secret = segments[2]};
  }
  return {};
}

Kind kind_for(Method method, const Shape& shape) {
  switch (method) {
    case Method::get:
    case Method::head:
      return shape.get;
    case Method::put:
      return shape.put;
    case Method::post:
      return shape.post;
    case Method::delete_:
      return shape.delete_;
    case Method::patch:
      return shape.patch;
    case Method::options:
      return shape.allow.empty() ? Kind::not_found : Kind::options;
    default:
      return Kind::not_found;
  }
}

}  // namespace

Route route(const proto::RequestHead& request) {
  switch (request.method) {
    case Method::connect:
    case Method::trace:
    case Method::other:
      return {.kind = Kind::unsupported};
    default:
      break;
  }
  if (request.path == "*") return {.kind = Kind::options, .allow = "DELETE, GET, HEAD, PATCH, POST, PUT, OPTIONS"};
  const std::vector<std::string_view> segments = proto::path_segments(request.path);
  const Shape shape = shape_of(segments);
  Route to{.kind = kind_for(request.method, shape),
           .name = shape.get == Kind::asset ? segments[1] : segments[0],
           .token = shape.token,
           .secret = shape.secret,
           .id = shape.id,
           .allow = shape.allow};
  if (to.kind == Kind::not_found && !shape.allow.empty() && !shape.only_upload) to.kind = Kind::not_allowed;
  return to;
}

}  // namespace ringdrop::server
