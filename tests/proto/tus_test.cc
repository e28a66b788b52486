#include "proto/tus.h"

#include <doctest/doctest.h>

#include <string>

namespace ringdrop::proto {

TEST_CASE("numbers are digits alone, below 2^63") {
  CHECK(parse_tus_number("0") == 0);
  CHECK(parse_tus_number("9223372036854775807") == 9'223'372'036'854'775'807U);
  for (const std::string_view text :
       {"", "-1", "+1", " 1", "1 ", "1.0", "0x1", "9223372036854775808", "1e3", "99999999999999999999999"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_tus_number(text).has_value());
  }
}

TEST_CASE("metadata is keys with base64 values, and keys alone") {
  const auto pairs = parse_tus_metadata("filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential, x  YQ==");
  REQUIRE(pairs);
  REQUIRE(pairs->size() == 3);
  CHECK(pairs->at(0) == std::pair<std::string, std::string>("filename", "world_domination_plan.pdf"));
  CHECK(pairs->at(1) == std::pair<std::string, std::string>("is_confidential", ""));
  CHECK(pairs->at(2) == std::pair<std::string, std::string>("x", "a"));
  CHECK(parse_tus_metadata("")->empty());
}

TEST_CASE("broken metadata is refused") {
  for (const std::string_view text :
       {",", "a YQ==,", "a YQ==,,b YQ==", "a YQ", "a !", "a YQ==,a YQ==", "\xc3\xa4 YQ=="}) {
    CAPTURE(text);
    const auto pairs = parse_tus_metadata(text);
    REQUIRE_FALSE(pairs.has_value());
    CHECK(pairs.error().status == 400);
  }
}

TEST_CASE("a concatenation is a part, or the parts of a whole") {
  const auto partial = parse_tus_concat("partial");
  REQUIRE(partial);
  CHECK_FALSE(partial->final);
  const auto whole = parse_tus_concat("final;/uploads/a  https://h/uploads/b ");
  REQUIRE(whole);
  CHECK(whole->final);
  CHECK(whole->parts == std::vector<std::string>{"/uploads/a", "https://h/uploads/b"});
  std::string most = "final;";
  for (std::size_t part = 0; part < kMostConcatParts; ++part) most += "/" + std::to_string(part) + " ";
  CHECK(parse_tus_concat(most).has_value());
  for (const std::string& text : {std::string(), std::string("Partial"), std::string("final"), std::string("final;"),
                                  std::string("final; "), std::string("final;/a /a"), most + "/one-more"}) {
    CAPTURE(text);
    const auto refused = parse_tus_concat(text);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().status == 400);
  }
}

TEST_CASE("a checksum is an algorithm that we know and a digest of its length") {
  const auto sha1 = parse_tus_checksum("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=");
  REQUIRE(sha1);
  CHECK(sha1->algorithm == DigestAlgorithm::sha1);
  CHECK(sha1->bytes.size() == 20);
  CHECK(parse_tus_checksum("md5 1B2M2Y8AsgTpgAmY7PhCfg==").has_value());
  for (const std::string_view text : {"", "sha1", "sha1 ", "sha1 YQ==", "crc32 YQ==",
                                      "SHA1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "md5 Kq5sNclPz7QV2+lfQIuc6R7oRu0="}) {
    CAPTURE(text);
    CHECK_FALSE(parse_tus_checksum(text).has_value());
  }
}

}  // namespace ringdrop::proto
