#include "server/cors.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/server/heads.h"

namespace ringdrop::server {
namespace {

constexpr std::string_view kAllow = "GET, HEAD, PUT, OPTIONS";

Config allowing(std::vector<std::string> origins) {
  Config config;
  config.cors_origins = std::move(origins);
  return config;
}

TEST_CASE("a preflight of a listed origin is answered with the methods, the asked fields, and for a day") {
  proto::Fields fields;
  const proto::RequestHead request = head_with({{"Origin", "https://app.example"},
                                                {"Access-Control-Request-Method", "PUT"},
                                                {"Access-Control-Request-Headers", "content-type,max-downloads"}},
                                               "", proto::Method::options);
  REQUIRE(answer_preflight(allowing({"https://other.example", "https://app.example"}), request, kAllow, fields));
  CHECK(fields.size() == 3);
  CHECK(fields.joined("Access-Control-Allow-Methods") == kAllow);
  CHECK(fields.joined("Access-Control-Allow-Headers") == "content-type,max-downloads");
  CHECK(fields.joined("Access-Control-Max-Age") == "86400");
  CHECK(fields.count("Access-Control-Allow-Credentials") == 0);
}

TEST_CASE("fields that are not asked for are not spoken of, several lines are one list") {
  const Config config = allowing({"*"});
  proto::Fields none;
  CHECK(answer_preflight(config, head_with({{"Origin", "null"}, {"Access-Control-Request-Method", "GET"}}), kAllow,
                         none));
  CHECK(none.count("Access-Control-Allow-Headers") == 0);
  proto::Fields two;
  CHECK(answer_preflight(config,
                         head_with({{"origin", "https://a.example"},
                                    {"access-control-request-method", "GET"},
                                    {"Access-Control-Request-Headers", "a"},
                                    {"Access-Control-Request-Headers", "b"}}),
                         kAllow, two));
  CHECK(two.joined("Access-Control-Allow-Headers") == "a, b");
}

TEST_CASE("only the very origin that is listed is") {
  struct Row {
    std::vector<std::string> listed;
    std::string_view origin;
    bool answered;
  };
  const Row rows[] = {
      {{}, "https://app.example", false},
      {{"https://app.example"}, "https://app.example", true},
      {{"https://app.example"}, "http://app.example", false},
      {{"https://app.example"}, "https://app.example:8443", false},
      {{"https://app.example"}, "https://app.example.evil.example", false},
      {{"https://app.example"}, "https://app.example/", false},
      {{"https://app.example"}, "https://evil.example https://app.example", false},
      {{"https://app.example"}, "null", false},
      {{"https://app.example"}, "*", false},
      {{"https://app.example"}, "", false},
      {{"*"}, "https://any.example", true},
      {{"https://app.example", "*"}, "https://any.example", true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.origin);
    proto::Fields fields;
    const proto::RequestHead request =
        head_with({{"Origin", row.origin}, {"Access-Control-Request-Method", "PUT"}}, "", proto::Method::options);
    CHECK(answer_preflight(allowing(row.listed), request, kAllow, fields) == row.answered);
    CHECK(fields.empty() == !row.answered);
  }
}

TEST_CASE("an OPTIONS without Origin or without the method that it is about is no preflight") {
  const Config config = allowing({"*"});
  proto::Fields fields;
  CHECK_FALSE(answer_preflight(config, head_with({}), kAllow, fields));
  CHECK_FALSE(answer_preflight(config, head_with({{"Origin", "https://a.example"}}), kAllow, fields));
  CHECK_FALSE(answer_preflight(config, head_with({{"Access-Control-Request-Method", "PUT"}}), kAllow, fields));
  CHECK_FALSE(answer_preflight(
      config, head_with({{"Origin", "https://a.example"}, {"Access-Control-Request-Headers", "x"}}), kAllow, fields));
  CHECK(fields.empty());
}

}  // namespace
}  // namespace ringdrop::server
