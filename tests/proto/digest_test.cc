#include "proto/digest.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/base64.h"

using namespace std::string_literals;

namespace ringdrop::proto {
namespace {

std::string digest_hex(DigestAlgorithm algorithm, std::string_view bytes) {
  Digester digester(algorithm);
  digester.update(as_bytes(bytes));
  return to_hex(digester.finish());
}

std::string digest_base64(DigestAlgorithm algorithm, std::string_view bytes) {
  Digester digester(algorithm);
  digester.update(as_bytes(bytes));
  return base64_encode(digester.finish());
}

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const auto value = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    bytes += static_cast<char>(value(hex[i]) * 16 + value(hex[i + 1]));
  }
  return bytes;
}

void check_digest_refused(std::string_view field) {
  const auto digests = parse_digest_field(field);
  CAPTURE(field);
  REQUIRE_FALSE(digests.has_value());
  CHECK(digests.error().status == 400);
  CHECK(digests.error().code == "bad_digest"s);
}

std::vector<Digest> digests_of(std::string_view field) {
  auto digests = parse_digest_field(field);
  CAPTURE(field);
  REQUIRE(digests.has_value());
  return *digests;
}

// The key of the algorithm, "none" when there is none of ours.
std::string_view wanted_by(std::string_view field) {
  const auto wanted = parse_want_digest(field);
  CAPTURE(field);
  REQUIRE(wanted.has_value());
  return *wanted ? digest_key(**wanted) : "none";
}

constexpr std::string_view kHello = "{\"hello\": \"world\"}";
constexpr std::string_view kHelloSha256 = "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=";
constexpr std::string_view kHelloSha512 =
    "WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==";

}  // namespace

TEST_CASE("digests are those of FIPS 180-4 and RFC 1321") {
  CHECK(digest_hex(DigestAlgorithm::sha256, "") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(digest_hex(DigestAlgorithm::sha256, "abc") ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(digest_hex(DigestAlgorithm::sha256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(digest_hex(DigestAlgorithm::sha256, std::string(1'000'000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  CHECK(digest_hex(DigestAlgorithm::sha512, "abc") ==
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
  CHECK(digest_hex(DigestAlgorithm::sha1, "abc") == "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK(digest_hex(DigestAlgorithm::md5, "abc") == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(to_hex(sha256("abc")) == digest_hex(DigestAlgorithm::sha256, "abc"));
  CHECK(to_hex(sha256({})) == digest_hex(DigestAlgorithm::sha256, ""));
}

TEST_CASE("a digest does not depend on the pieces that its bytes come in, and survives a move") {
  Digester first(DigestAlgorithm::sha256);
  first.update(as_bytes("a"));
  first.update({});
  Digester second(std::move(first));
  second.update(as_bytes("b"));
  Digester third(DigestAlgorithm::md5);
  third = std::move(second);
  third.update(as_bytes("c"));
  CHECK(third.algorithm() == DigestAlgorithm::sha256);
  CHECK(third.finish() == sha256("abc"));
}

TEST_CASE("a digest has the length and the key of its algorithm") {
  const std::pair<DigestAlgorithm, std::string_view> rows[] = {{DigestAlgorithm::sha256, "sha-256"},
                                                               {DigestAlgorithm::sha512, "sha-512"},
                                                               {DigestAlgorithm::sha1, "sha"},
                                                               {DigestAlgorithm::md5, "md5"}};
  for (const auto& [algorithm, key] : rows) {
    CHECK(digest_key(algorithm) == key);
    CHECK(Digester(algorithm).finish().size() == digest_bytes(algorithm));
  }
}

TEST_CASE("sample digest values (RFC 9530, appendix D)") {
  CHECK(digest_base64(DigestAlgorithm::sha512, kHello) == kHelloSha512);
  CHECK(digest_base64(DigestAlgorithm::sha256, kHello) == kHelloSha256);
  CHECK(digest_base64(DigestAlgorithm::md5, kHello) == "Sd/dVLAcvNLSq16eXua5uQ==");
  CHECK(digest_base64(DigestAlgorithm::sha1, kHello) == "07CavjDP4u3/TungoUHJO/Wzr4c=");
}

TEST_CASE("fields of whole and of partial content (RFC 9530, appendix B)") {
  const std::string content = std::string(kHello) + "\n";
  CHECK(format_digest_field({{DigestAlgorithm::sha256, sha256(content)}}) ==
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
  CHECK(format_digest_field({{DigestAlgorithm::sha256, sha256(content.substr(10, 9))}}) ==
        "sha-256=:jjcgBDWNAtbYUXI37CVG3gRuGOAjaaDRGpIUFsdyepQ=:");
  CHECK(format_digest_field({{DigestAlgorithm::sha256, sha256("")}}) ==
        "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
}

TEST_CASE("a digest field is parsed: our keys in order, others ignored") {
  const std::string bytes256 = *base64_decode(kHelloSha256);
  const std::string bytes512 = *base64_decode(kHelloSha512);
  const std::vector<Digest> both = {{DigestAlgorithm::sha512, bytes512}, {DigestAlgorithm::sha256, bytes256}};
  const std::string field = "sha-512=:" + std::string(kHelloSha512) + ":, sha-256=:" + std::string(kHelloSha256) + ":";
  CHECK(digests_of(field) == both);
  CHECK(format_digest_field(both) == field);
  CHECK(digests_of("md5=:AA==:, unixsum=30637, sha-256=:" + std::string(kHelloSha256) + ":;p=1, x") ==
        std::vector<Digest>{both[1]});
  CHECK(digests_of("") == std::vector<Digest>{});
  CHECK(digests_of("md5=:Sd/dVLAcvNLSq16eXua5uQ==:") == std::vector<Digest>{});
  CHECK(format_digest_field({}) == "");
}

TEST_CASE("a digest field that is no dictionary of byte sequences of the right length is refused") {
  const std::string value = ":" + std::string(kHelloSha256) + ":";
  for (const std::string& field :
       {"sha-256=:AA==:"s, "sha-256=::"s, "sha-512=" + value, "sha-256"s, "sha-256=1"s, "sha-256=\"a\""s,
        "sha-256=(" + value + ")", "sha-256=" + std::string(kHelloSha256), "SHA-256=" + value,
        "sha-256=" + value + ","s, "sha-256=:AA"s, "sha-256 = " + value, "\"a\""s, "sha-256=:!:"s}) {
    check_digest_refused(field);
  }
}

TEST_CASE("of the digests wanted the one with the largest number is chosen") {
  CHECK(wanted_by("sha-512=3, sha-256=10, unixsum=0") == "sha-256");
  CHECK(wanted_by("sha-256=1, sha-512=2") == "sha-512");
  CHECK(wanted_by("sha-512=5, sha-256=5") == "sha-256");
  CHECK(wanted_by("sha-256=5, sha-512=5") == "sha-256");
  CHECK(wanted_by("sha-256=0, sha-512=1") == "sha-512");
  for (const std::string_view none : {"", "sha=10", "md5=10, unixsum=99", "sha-256=0", "sha-256=0, sha-512=0", "md5"}) {
    CHECK(wanted_by(none) == "none");
  }
}

TEST_CASE("a preference that is no integer from 0 to 10 is refused") {
  for (const std::string_view field : {"sha-256", "sha-256=11", "sha-256=-1", "sha-512=1.0", "sha-512=a", "sha-256=?1",
                                       "sha-256=(1)", "sha-256=1,", "=1", "sha-256=1 sha-512=1"}) {
    const auto wanted = parse_want_digest(field);
    CAPTURE(field);
    REQUIRE_FALSE(wanted.has_value());
    CHECK(wanted.error().status == 400);
    CHECK(wanted.error().code == "bad_want_digest"s);
  }
}

TEST_CASE("HMAC-SHA-256 is that of RFC 4231") {
  struct Row {
    std::string key;
    std::string message;
    std::string_view mac;
  };
  std::string counting;
  for (char c = 1; c <= 25; ++c) counting += c;
  const std::vector<Row> rows = {
      {std::string(20, '\x0b'), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {std::string(20, '\xaa'), std::string(50, '\xdd'),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {counting, std::string(50, '\xcd'), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {std::string(131, '\xaa'),
       "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
       "hashed "
       "before being used by the HMAC algorithm.",
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
  };
  for (const Row& row : rows) CHECK(hmac_sha256(row.key, row.message) == from_hex(row.mac));
  CHECK(to_hex(hmac_sha256("", "")) == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
  CHECK(hmac_sha256({}, {}) == hmac_sha256("", ""));
  CHECK(to_hex(hmac_sha256(std::string(20, '\x0c'), "Test With Truncation"))
            .starts_with("a3b6167473100ee06e0c796c2955552b"));
}

TEST_CASE("texts are equal in constant time only when all of their bytes are") {
  CHECK(equal_in_constant_time("", ""));
  CHECK(equal_in_constant_time("a\0b"s, "a\0b"s));
  CHECK_FALSE(equal_in_constant_time("a\0b"s, "a\0c"s));
  CHECK_FALSE(equal_in_constant_time("abc", "xbc"));
  CHECK_FALSE(equal_in_constant_time("abc", "ab"));
  CHECK_FALSE(equal_in_constant_time("", "a"));
}

TEST_CASE("hexadecimal digits are lower case") {
  CHECK(to_hex("") == "");
  CHECK(to_hex("\0\x0f\xa5\xff"s) == "000fa5ff");
}

TEST_CASE("a digest in the making can be saved at any byte and gone on with") {
  const std::string text =
      "the quick brown fox jumps over the lazy dog, again and again, until a block of 128 bytes is full"
      " and another one has begun, so that every state is seen";
  for (const DigestAlgorithm algorithm :
       {DigestAlgorithm::sha256, DigestAlgorithm::sha512, DigestAlgorithm::sha1, DigestAlgorithm::md5}) {
    Digester whole(algorithm);
    whole.update(as_bytes(text));
    const std::string expected = whole.finish();
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
      Digester first(algorithm);
      first.update(as_bytes(std::string_view(text).substr(0, cut)));
      std::optional<Digester> second = Digester::restore(algorithm, first.save());
      REQUIRE(second);
      second->update(as_bytes(std::string_view(text).substr(cut)));
      CHECK(second->finish() == expected);
    }
    CHECK_FALSE(Digester::restore(algorithm, "").has_value());
    CHECK_FALSE(Digester::restore(algorithm, "x").has_value());
  }
}

}  // namespace ringdrop::proto
