#include "server/router.h"

#include <doctest/doctest.h>

#include <string>

namespace ringdrop::server {
namespace {

using proto::Method;
using Kind = Route::Kind;

constexpr const char* kToken = "/0123456789abcdefABCDEF";

proto::RequestHead request(Method method, std::string path) {
  proto::RequestHead head;
  head.method = method;
  head.path = std::move(path);
  return head;
}

TEST_CASE("requests are routed by shape and method, never by what exists") {
  const std::string token = kToken;
  struct Row {
    Method method;
    std::string path;
    Kind kind;
  };
  const Row rows[] = {
      {Method::get, "/", Kind::help},
      {Method::head, "/", Kind::help},
      {Method::get, "/favicon.ico", Kind::favicon},
      {Method::put, "/favicon.ico", Kind::upload},
      {Method::get, "/assets/app.3f2a9c41.js", Kind::asset},
      {Method::put, "/assets/app.3f2a9c41.js", Kind::not_allowed},
      {Method::get, "/assets", Kind::not_found},
      {Method::get, "/assets/a/b", Kind::not_found},
      {Method::put, "/", Kind::upload},
      {Method::delete_, "/", Kind::not_allowed},
      {Method::options, "/", Kind::options},
      {Method::options, "*", Kind::options},
      {Method::get, "/healthz", Kind::health},
      {Method::patch, "/healthz", Kind::not_allowed},
      {Method::put, "/healthz", Kind::upload},
      {Method::put, "/uploads", Kind::upload},
      {Method::put, "/film.mkv", Kind::upload},
      {Method::put, token, Kind::upload},
      {Method::put, "/a/b", Kind::not_found},
      {Method::get, "/film.mkv", Kind::not_found},
      {Method::post, "/film.mkv", Kind::not_found},
      {Method::get, token, Kind::download},
      {Method::head, token + "/any name", Kind::download},
      {Method::get, token + "/", Kind::download},
      {Method::post, token + "/x", Kind::link_form},
      {Method::options, "/film.mkv", Kind::options},
      {Method::post, "/", Kind::post},
      {Method::post, "/uploads", Kind::uploads},
      {Method::get, "/uploads", Kind::not_allowed},
      {Method::head, "/uploads" + token, Kind::upload_of},
      {Method::patch, "/uploads" + token, Kind::upload_of},
      {Method::delete_, "/uploads" + token, Kind::upload_of},
      {Method::put, "/uploads" + token, Kind::not_allowed},
      {Method::patch, "/uploads/too-short", Kind::not_found},
      {Method::patch, "/uploads" + token + "/x", Kind::not_found},
      {Method::post, token, Kind::link_form},
      {Method::delete_, token, Kind::remove},
      {Method::delete_, token + "/x", Kind::remove},
      {Method::delete_, token + "/x" + token, Kind::remove_url},
      {Method::get, token + "/x" + token, Kind::not_allowed},
      {Method::delete_, token + "/x/y", Kind::not_found},
      {Method::delete_, "/film.mkv", Kind::not_found},
      {Method::get, "/api/links" + token, Kind::link_info},
      {Method::post, "/api/links" + token, Kind::not_allowed},
      {Method::get, "/api/links/x", Kind::not_found},
      {Method::get, "/api/links", Kind::not_found},
      {Method::get, "/readyz", Kind::readiness},
      {Method::get, "/metrics", Kind::metrics},
      {Method::get, "/robots.txt", Kind::robots},
      {Method::put, "/robots.txt", Kind::upload},
      {Method::put, token + "/x", Kind::not_allowed},
      {Method::get, token + "/x/y", Kind::not_found},
      {Method::get, token + "x", Kind::not_found},
      {Method::get, token.substr(0, 22), Kind::not_found},
      {Method::get, "/0123456789abcdefABCDE-", Kind::not_found},
      {Method::get, "//" + token.substr(1), Kind::not_found},
      {Method::get, "/../../etc/passwd", Kind::not_found},
      {Method::trace, "/", Kind::unsupported},
      {Method::connect, "", Kind::unsupported},
      {Method::other, "/", Kind::unsupported},
  };
  for (const Row& row : rows) {
    CAPTURE(row.path);
    CAPTURE(static_cast<int>(row.method));
    CHECK(route(request(row.method, row.path)).kind == row.kind);
  }
}

TEST_CASE("an upload's name is the segment as sent, a download's token the first one") {
  const proto::RequestHead upload = request(Method::put, "/a%20b");
  CHECK(route(upload).name == "a%20b");
  const proto::RequestHead download = request(Method::get, std::string(kToken) + "/x");
  CHECK(route(download).token == std::string(kToken).substr(1));
}

TEST_CASE("what is not allowed says what is") {
  const proto::RequestHead link = request(Method::patch, std::string(kToken) + "/x");
  CHECK(route(link).allow == "DELETE, GET, HEAD, POST, OPTIONS");
  const proto::RequestHead root = request(Method::patch, "/");
  CHECK(route(root).allow == "GET, HEAD, POST, PUT, OPTIONS");
  const proto::RequestHead remove = request(Method::delete_, std::string(kToken) + "/x" + kToken);
  CHECK(route(remove).token == std::string(kToken).substr(1));
  CHECK(route(remove).secret == std::string(kToken).substr(1));
}

}  // namespace
}  // namespace ringdrop::server
