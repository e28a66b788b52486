// Which request means what: by shape of the path and by method, never by what exists. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "proto/http_message.h"

namespace ringdrop::server {

struct Route {
  enum class Kind : uint8_t {
    help,             // GET, HEAD /
    health,           // GET, HEAD /healthz
    readiness,        // GET, HEAD /readyz
    metrics,          // GET, HEAD /metrics
    robots,           // GET, HEAD /robots.txt
    favicon,          // GET, HEAD /favicon.ico
    asset,            // GET, HEAD /assets/{file}: `name`
    upload,           // PUT /{name}, PUT /: `name`
    post,             // POST /
    download,         // GET, HEAD /{token}[/{name}]: `token`
    link_info,        // GET, HEAD /api/links/{token}
    remove,           // DELETE /{token}[/{name}]
    remove_url,       // DELETE /{token}/{name}/{delete token}: `token`, `secret`
    link_form,        // POST /{token}[/{name}]
    uploads,          // POST /uploads
    watch,            // GET /watch/{id}: `id`
    upload_progress,  // GET /uploads/{id}/progress: `id`
    upload_of,        // HEAD, GET, PATCH, DELETE, POST /uploads/{id}: `id`
    options,          // OPTIONS of a known shape: `allow`
    not_found,
    not_allowed,  // 405: `allow`
    unsupported,  // 501
  };
  Kind kind = Kind::not_found;
  std::string_view name{};  // of an asset, or the first segment; still percent-encoded
  std::string_view token{};
  std::string_view secret{};  // the delete token of a path
  std::string_view id{};      // of an upload
  std::string_view allow{};   // methods of this shape
};

// The views point into `request`.
Route route(const proto::RequestHead& request);

}  // namespace ringdrop::server
