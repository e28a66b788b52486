#include "server/upload_options.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base64.h"
#include "tests/server/heads.h"

using namespace std::string_literals;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace ringdrop::server {
namespace {

constexpr io::EpochMs kNow = 1'700'000'000'000;

// "" when it is not refused.
std::string code_of(const std::optional<proto::Rejection>& refused) {
  if (!refused) return "";
  CHECK(refused->status == 400);
  return refused->code;
}

template <class T>
std::string code_of(const std::expected<T, proto::Rejection>& result) {
  return result ? "" : code_of(std::optional(result.error()));
}

UploadOptions parsed(const OptionCollector& collector) {
  const auto options = collector.parse(kNow);
  REQUIRE(options.has_value());
  return *options;
}

// Of one request with this query: the code of its refusal, wherever it is found.
std::string code_of_query(std::string_view query) {
  OptionCollector collector;
  const std::string code = code_of(collector.add_head(head_with({}, query)));
  return code.empty() ? code_of(collector.parse(kNow)) : code;
}

TEST_CASE("without options nothing is wished for") {
  OptionCollector collector;
  CHECK_FALSE(collector.add_head(head_with({{"Max-Download", "3"}, {"Expires", "36h"}}, "a=b&max-downloads=3")));
  const UploadOptions options = parsed(collector);
  CHECK_FALSE(options.max_downloads);
  CHECK_FALSE(options.expiry.after);
  CHECK_FALSE(options.expiry.at);
  CHECK(collector.name().empty());
}

TEST_CASE("an option may stand in a field, in the query, or in a form") {
  OptionCollector field;
  CHECK_FALSE(field.add_head(head_with({{"MAX-DOWNLOADS", "3"}})));
  CHECK(parsed(field).max_downloads == 3U);
  OptionCollector query;
  CHECK_FALSE(query.add_head(head_with({}, "name=a%20b&max_downloads=%34&expires=36h")));
  CHECK(parsed(query).max_downloads == 4U);
  CHECK(parsed(query).expiry.after == 36h);
  CHECK(query.name() == "a b");
  OptionCollector form;
  CHECK_FALSE(form.add("max_days", "7"));
  CHECK_FALSE(form.add("file", "x"));
  CHECK_FALSE(form.add("Max-Days", "8"));
  CHECK(parsed(form).expiry.after == 7 * 24h);
}

TEST_CASE("the same option with the same value in several places is one option") {
  OptionCollector collector;
  CHECK_FALSE(collector.add_head(
      head_with({{"Max-Downloads", "3"}, {"max-downloads", "3"}}, "max_downloads=3&max_downloads=3")));
  CHECK_FALSE(collector.add("max_downloads", "3"));
  CHECK(parsed(collector).max_downloads == 3U);
}

TEST_CASE("the same option with different values is refused, wherever they stand") {
  struct Row {
    std::string_view field;
    std::string_view parameter;
    std::string_view one;
    std::string_view other;
  };
  const Row rows[] = {
      {"Max-Downloads", "max_downloads", "3", "4"},
      {"Max-Days", "max_days", "7", "07"},
      {"Expires-In", "expires", "36h", "36"},
      {"Max-Downloads", "max_downloads", "", "1"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.field);
    const std::string in_query = std::string(row.parameter) + "=" + std::string(row.other);
    OptionCollector fields;
    CHECK(code_of(fields.add_head(head_with({{row.field, row.one}, {row.field, row.other}}))) == "option_conflict");
    OptionCollector field_and_query;
    CHECK(code_of(field_and_query.add_head(head_with({{row.field, row.one}}, in_query))) == "option_conflict");
    OptionCollector field_and_form;
    CHECK_FALSE(field_and_form.add_head(head_with({{row.field, row.one}})));
    CHECK(code_of(field_and_form.add(row.parameter, row.other)) == "option_conflict");
    OptionCollector query_and_form;
    CHECK_FALSE(query_and_form.add_head(head_with({}, in_query)));
    CHECK(code_of(query_and_form.add(row.parameter, row.one)) == "option_conflict");
  }
}

TEST_CASE("values out of bounds are refused by their own code, the ends of the bounds are taken") {
  struct Row {
    std::string_view query;
    std::string_view code;
  };
  const Row rows[] = {
      {"max_downloads=1", ""},
      {"max_downloads=1000000000", ""},
      {"max_downloads=1000000001", "bad_max_downloads"},
      {"max_downloads=0", "bad_max_downloads"},
      {"max_downloads=", "bad_max_downloads"},
      {"max_downloads", "bad_max_downloads"},
      {"max_downloads=-1", "bad_max_downloads"},
      {"max_downloads=%2B1", "bad_max_downloads"},
      {"max_downloads=1.0", "bad_max_downloads"},
      {"max_downloads=1e3", "bad_max_downloads"},
      {"max_downloads=0x1", "bad_max_downloads"},
      {"max_downloads=%201", "bad_max_downloads"},
      {"max_downloads=1%20", "bad_max_downloads"},
      {"max_downloads=1%00", "bad_max_downloads"},
      {"max_downloads=1,1", "bad_max_downloads"},
      {"max_downloads=18446744073709551617", "bad_max_downloads"},
      {"max_days=1", ""},
      {"max_days=36500", ""},
      {"max_days=36501", "bad_max_days"},
      {"max_days=0", "bad_max_days"},
      {"max_days=7d", "bad_max_days"},
      {"max_days=", "bad_max_days"},
      {"max_days=1.5", "bad_max_days"},
      {"max_days=-7", "bad_max_days"},
      {"max_days=18446744073709551615", "bad_max_days"},
      {"expires=", "bad_expires"},
      {"expires=tomorrow", "bad_expires"},
      {"expires=0", "bad_expires"},
      {"max_downloads=%zz", "bad_query"},
      {"%", "bad_query"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.query);
    CHECK(code_of_query(row.query) == row.code);
  }
}

TEST_CASE("a query of too many parameters is refused") {
  std::string query = "a=1";
  for (int i = 0; i < 63; ++i) query += "&a=1";
  CHECK(code_of_query(query) == "");
  CHECK(code_of_query(query + "&a=1") == "bad_query");
}

TEST_CASE("of days and a duration the earlier counts") {
  OptionCollector days_first;
  CHECK_FALSE(days_first.add_head(head_with({{"Max-Days", "1"}, {"Expires-In", "36h"}})));
  CHECK(parsed(days_first).expiry.after == 24h);
  OptionCollector duration_first;
  CHECK_FALSE(duration_first.add_head(head_with({{"Max-Days", "2"}, {"Expires-In", "36"}})));
  CHECK(parsed(duration_first).expiry.after == 36h);
  OptionCollector with_time;
  const std::string later = std::to_string(kNow + 5);
  CHECK_FALSE(with_time.add_head(head_with({{"Max-Days", "1"}, {"Expires-In", later}})));
  CHECK(parsed(with_time).expiry.after == 24h);
  CHECK(parsed(with_time).expiry.at == kNow + 5);
  CHECK(expires_at(parsed(with_time).expiry, Config(), kNow) == kNow + 5);
}

TEST_CASE("an expiry is a duration, a number of hours, or a time in milliseconds, as 0x0.st has it") {
  struct Row {
    std::string_view text;
    std::optional<milliseconds> after;
    std::optional<io::EpochMs> at;
  };
  const Row rows[] = {
      {"30s", 30s, {}},
      {"15m", 15min, {}},
      {"36h", 36h, {}},
      {"7d", 168h, {}},
      {"250ms", 250ms, {}},
      {"1", 1h, {}},
      {"24", 24h, {}},
      {"024", 24h, {}},
      {"876000", 876000h, {}},
      {"876000h", 876000h, {}},
      {"36500d", 876000h, {}},
      {"1700000000001", {}, kNow + 1},
      {"1800000000000", {}, 1'800'000'000'000},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto wish = parse_expiry(row.text, kNow);
    REQUIRE(wish.has_value());
    CHECK(wish->after == row.after);
    CHECK(wish->at == row.at);
  }
}

TEST_CASE("a number is a time only above 1650460320000, the first millisecond that 0x0.st takes for one") {
  constexpr io::EpochMs kLongAgo = 1'000'000'000'000;
  CHECK(code_of(parse_expiry("1650460320000", kLongAgo)) == "bad_expires");
  const auto wish = parse_expiry("1650460320001", kLongAgo);
  REQUIRE(wish.has_value());
  CHECK(wish->at == 1'650'460'320'001);
}

TEST_CASE("an expiry that is none, not one to come, or later than a hundred years from now is refused") {
  for (const std::string_view text : {"",
                                      "0",
                                      "0s",
                                      "0ms",
                                      "0d",
                                      "-1",
                                      "-1h",
                                      "+1",
                                      "+1h",
                                      " 1",
                                      "1 ",
                                      "1 h",
                                      "h",
                                      "1.5",
                                      "1.5h",
                                      "1e3",
                                      "0x10",
                                      "36H",
                                      "1w",
                                      "1y",
                                      "1h30m",
                                      "1h,2h",
                                      "876001",
                                      "876001h",
                                      "36501d",
                                      "1650460320000",
                                      "1650460320001",
                                      "1699999999999",
                                      "1700000000000",
                                      "9223372036854775808",
                                      "18446744073709551615",
                                      "18446744073709551616",
                                      "18446744073709551616s",
                                      "106751991168d",
                                      "never",
                                      "2030-01-01",
                                      "1h\n"}) {
    CAPTURE(text);
    CHECK(code_of(parse_expiry(text, kNow)) == "bad_expires");
  }
}

TEST_CASE("a link ends when its uploader wishes, else by default, never after the maximum") {
  constexpr milliseconds kNone{0};
  struct Row {
    ExpiryWish wish;
    milliseconds default_expiry;
    milliseconds max_expiry;
    std::optional<io::EpochMs> end;
  };
  const Row rows[] = {
      {{}, kNone, kNone, {}},
      {{}, 1h, kNone, kNow + 3'600'000},
      {{}, kNone, 1h, kNow + 3'600'000},
      {{}, 1h, 2h, kNow + 3'600'000},
      {{}, 2h, 1h, kNow + 3'600'000},
      {{1min, {}}, kNone, kNone, kNow + 60'000},
      {{1min, {}}, 1h, 2h, kNow + 60'000},
      {{3h, {}}, 1h, 2h, kNow + 7'200'000},
      {{3h, {}}, 1h, kNone, kNow + 10'800'000},
      {{{}, kNow + 5}, 1h, 2h, kNow + 5},
      {{{}, kNow + 7'200'001}, 1h, 2h, kNow + 7'200'000},
      {{{}, std::numeric_limits<io::EpochMs>::max()}, kNone, 2h, kNow + 7'200'000},
      {{{}, std::numeric_limits<io::EpochMs>::max()}, 1h, kNone, std::numeric_limits<io::EpochMs>::max()},
      {{1min, kNow + 5}, kNone, kNone, kNow + 5},
      {{1min, kNow + 60'001}, kNone, kNone, kNow + 60'000},
      {{{}, kNow - 5}, 1h, 2h, kNow - 5},
  };
  int number = 0;
  for (const Row& row : rows) {
    CAPTURE(number++);
    Config config;
    config.default_expiry = row.default_expiry;
    config.max_expiry = row.max_expiry;
    CHECK(expires_at(row.wish, config, kNow) == row.end);
  }
}

// Digests ------------------------------------------------------------------------------------------------------------

using Algorithms = std::vector<proto::DigestAlgorithm>;
constexpr auto kSha256 = proto::DigestAlgorithm::sha256;
constexpr auto kSha512 = proto::DigestAlgorithm::sha512;

std::string digest_field(std::string_view key, std::size_t bytes, char fill) {
  return std::string(key) + "=:" + proto::base64_encode(std::string(bytes, fill)) + ":";
}

DigestPlan plan(std::initializer_list<std::pair<std::string_view, std::string_view>> fields, DigestPolicy policy) {
  Config config;
  config.digest = policy;
  const auto made = plan_digests(head_with(fields), config);
  REQUIRE(made.has_value());
  return *made;
}

TEST_CASE("the configuration and the client say which digests are made known") {
  struct Row {
    DigestPolicy policy;
    std::string_view want;
    Algorithms wanted;
  };
  const Row rows[] = {
      {DigestPolicy::on_request, "", {}},
      {DigestPolicy::on_request, "sha-256=1", {kSha256}},
      {DigestPolicy::on_request, "sha-512=10", {kSha512}},
      {DigestPolicy::on_request, "sha-256=1, sha-512=2", {kSha512}},
      {DigestPolicy::on_request, "sha-512=3, sha-256=3", {kSha256}},
      {DigestPolicy::on_request, "sha-256=0", {}},
      {DigestPolicy::on_request, "md5=5, unixsum=1", {}},
      {DigestPolicy::never, "", {}},
      {DigestPolicy::never, "sha-256=1", {}},
      {DigestPolicy::always, "", {kSha256}},
      {DigestPolicy::always, "sha-256=1", {kSha256}},
      {DigestPolicy::always, "sha-512=1", {kSha256, kSha512}},
  };
  for (const Row& row : rows) {
    CAPTURE(static_cast<int>(row.policy));
    CAPTURE(row.want);
    const DigestPlan made = plan({{"Want-Repr-Digest", row.want}}, row.policy);
    CHECK(made.wanted == row.wanted);
    CHECK(made.compute == row.wanted);
    CHECK(made.expected.empty());
  }
}

TEST_CASE("a digest that the client sends is verified under every policy, and made known only where that is wanted") {
  const std::string field = digest_field("sha-512", 64, 'x');
  for (const DigestPolicy policy : {DigestPolicy::never, DigestPolicy::on_request, DigestPolicy::always}) {
    for (const std::string_view name : {"Repr-Digest", "content-digest"}) {
      CAPTURE(static_cast<int>(policy));
      CAPTURE(name);
      DigestPlan made = plan({{name, field}}, policy);
      made.expect_content_as_whole();
      const bool always = policy == DigestPolicy::always;
      CHECK(made.wanted == (always ? Algorithms{kSha256} : Algorithms{}));
      CHECK(made.compute == (always ? Algorithms{kSha256, kSha512} : Algorithms{kSha512}));
      CHECK(made.expected == std::vector{proto::Digest{kSha512, std::string(64, 'x')}});
    }
  }
}

TEST_CASE("each algorithm is computed once, and every digest that was sent has to come out") {
  const std::string a = digest_field("sha-256", 32, 'a');
  const std::string b = digest_field("sha-256", 32, 'b');
  const std::string c = digest_field("sha-512", 64, 'c');
  DigestPlan made =
      plan({{"Repr-Digest", a}, {"Repr-Digest", c}, {"Content-Digest", b}, {"Want-Repr-Digest", "sha-512=1"}},
           DigestPolicy::on_request);
  CHECK(made.wanted == Algorithms{kSha512});
  CHECK(made.compute == Algorithms{kSha512, kSha256});
  CHECK(made.expected ==
        std::vector{proto::Digest{kSha256, std::string(32, 'a')}, proto::Digest{kSha512, std::string(64, 'c')}});
  CHECK(made.content == std::vector{proto::Digest{kSha256, std::string(32, 'b')}});
  made.expect_content_as_whole();
  CHECK(made.content.empty());
  CHECK(made.compute == Algorithms{kSha512, kSha256});
  CHECK(made.expected.back() == proto::Digest{kSha256, std::string(32, 'b')});
}

TEST_CASE("digests of algorithms that we do not know ask for nothing") {
  const DigestPlan made =
      plan({{"Repr-Digest", "md5=:1B2M2Y8AsgTpgAmY7PhCfg==:, adler=:AAAAAQ==:"}}, DigestPolicy::on_request);
  CHECK(made.compute.empty());
  CHECK(made.expected.empty());
}

TEST_CASE("digest fields that cannot be parsed are refused, each by its code, under every policy") {
  struct Row {
    std::string_view name;
    std::string_view value;
    std::string_view code;
  };
  const Row rows[] = {
      {"Repr-Digest", "sha-256", "bad_digest"},
      {"Repr-Digest", "sha-256=abc", "bad_digest"},
      {"Content-Digest", "sha-256=:YWJj:", "bad_digest"},
      {"Content-Digest", "=", "bad_digest"},
      {"Repr-Digest", "SHA-256=:YWJj:", "bad_digest"},
      {"Want-Repr-Digest", "sha-256=11", "bad_want_digest"},
      {"Want-Repr-Digest", "sha-256=-1", "bad_want_digest"},
      {"Want-Repr-Digest", "sha-256=1.5", "bad_want_digest"},
      {"Want-Repr-Digest", "sha-256", "bad_want_digest"},
      {"Want-Repr-Digest", ",", "bad_want_digest"},
  };
  for (const Row& row : rows) {
    for (const DigestPolicy policy : {DigestPolicy::never, DigestPolicy::on_request, DigestPolicy::always}) {
      CAPTURE(row.name);
      CAPTURE(row.value);
      Config config;
      config.digest = policy;
      CHECK(code_of(plan_digests(head_with({{row.name, row.value}}), config)) == row.code);
    }
  }
}

}  // namespace
}  // namespace ringdrop::server
