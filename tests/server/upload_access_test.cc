#include "server/upload_access.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "proto/base64.h"
#include "tests/server/heads.h"

using namespace std::string_literals;

namespace ringdrop::server {
namespace {

Config with_token(std::string token) {
  Config config;
  config.upload_token = std::move(token);
  return config;
}

std::string basic(std::string_view user_and_password) {
  return "Basic " + proto::base64_encode(user_and_password);
}

TEST_CASE("without an upload token everybody may upload, whatever they send") {
  const Config config;
  CHECK(may_upload(config, head_with({})));
  for (const std::string& value : {""s, "Bearer x"s, "Bearer"s, basic(":x"), "nonsense"s}) {
    CAPTURE(value);
    CHECK(may_upload(config, head_with({{"Authorization", value}})));
  }
}

TEST_CASE("who knows the token may upload, by Bearer or as the password of Basic") {
  const Config config = with_token("se:cret");
  for (const std::string& value :
       {"Bearer se:cret"s, "bearer se:cret"s, "BEARER se:cret"s, "Bearer   se:cret"s, basic(":se:cret"),
        basic("user:se:cret"), "basic" + basic(":se:cret").substr(5), "Basic  " + proto::base64_encode(":se:cret")}) {
    CAPTURE(value);
    CHECK(may_upload(config, head_with({{"Authorization", value}})));
    CHECK(may_upload(config, head_with({{"authorization", value}})));
  }
}

TEST_CASE("who does not know it may not") {
  const Config config = with_token("secret");
  CHECK_FALSE(may_upload(config, head_with({})));
  CHECK_FALSE(may_upload(config, head_with({{"Proxy-Authorization", "Bearer secret"}, {"Cookie", "secret"}})));
  const std::string values[] = {
      "",
      "secret",
      "Bearer",
      "Bearer ",
      "Bearersecret",
      "Bearer\tsecret",
      "Bearer:secret",
      "Bearer Secret",
      "Bearer secre",
      "Bearer secretx",
      "Bearer secret\0"s,
      "Bearer \"secret\"",
      "Bearer secret, Bearer secret",
      "Token secret",
      "Digest secret",
      "Basic",
      "Basic ",
      "Basic secret",
      "Basic :secret",
      basic("secret"),
      basic("secret:"),
      basic(":"),
      basic(":wrong"),
      basic("x:y:secret"),
      basic(":secret\0"s),
      basic(":secret").substr(0, basic(":secret").size() - 1),
      basic(":secret") + "=",
      basic(":secret") + " x",
  };
  for (const std::string& value : values) {
    CAPTURE(value);
    CHECK_FALSE(may_upload(config, head_with({{"Authorization", value}})));
  }
}

TEST_CASE("a token that is itself the base64 of something is compared as text") {
  const Config config = with_token("OnNlY3JldA==");
  CHECK(may_upload(config, head_with({{"Authorization", "Bearer OnNlY3JldA=="}})));
  CHECK_FALSE(may_upload(config, head_with({{"Authorization", "Basic OnNlY3JldA=="}})));
}

TEST_CASE("the secret of a Bearer is what stands behind it") {
  struct Row {
    std::string_view field;
    std::string_view secret;  // "none": there is none
  };
  const Row rows[] = {
      {"Bearer abc", "abc"}, {"bEARER abc", "abc"}, {"Bearer  abc ", "abc"},
      {"Bearer a b", "a b"}, {"Bearer", "none"},    {"Bearerabc", "none"},
      {"Basic abc", "none"}, {"", "none"},          {"Bearer\tabc", "none"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.field);
    CHECK(bearer_secret(head_with({{"Authorization", row.field}})).value_or("none") == row.secret);
  }
  CHECK_FALSE(bearer_secret(head_with({})));
}

}  // namespace
}  // namespace ringdrop::server
