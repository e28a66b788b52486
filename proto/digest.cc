#include "proto/digest.h"

// The functions over plain structs are deprecated in OpenSSL 3 and there.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include <array>
#include <cstring>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"
#include "proto/structured_fields.h"

namespace ringdrop::proto {
namespace {

constexpr int64_t kMostWanted = 10;  // RFC 9530 4

// The algorithm of a key that we verify: the Active ones of RFC 9530 7.2.
std::optional<DigestAlgorithm> algorithm_of(std::string_view key) {
  for (const DigestAlgorithm algorithm : {DigestAlgorithm::sha256, DigestAlgorithm::sha512}) {
    if (key == digest_key(algorithm)) return algorithm;
  }
  return std::nullopt;
}

const unsigned char* unsigned_bytes(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

std::string_view digest_key(DigestAlgorithm algorithm) {
  switch (algorithm) {
    case DigestAlgorithm::sha256:
      return "sha-256";
    case DigestAlgorithm::sha512:
      return "sha-512";
    case DigestAlgorithm::sha1:
      return "sha";
    case DigestAlgorithm::md5:
      return "md5";
  }
  return "";
}

std::size_t digest_bytes(DigestAlgorithm algorithm) {
  switch (algorithm) {
    case DigestAlgorithm::sha256:
      return 32;
    case DigestAlgorithm::sha512:
      return 64;
    case DigestAlgorithm::sha1:
      return 20;
    case DigestAlgorithm::md5:
      return 16;
  }
  return 0;
}

// OpenSSL's plain structs: a digest in the making can be put aside, which its EVP contexts do not allow. Their calls
// cannot fail.
struct Digester::Context {
  std::variant<SHA256_CTX, SHA512_CTX, SHA_CTX, MD5_CTX> state;
};

namespace {

template <class State>
std::string state_bytes(const State& state) {
  static_assert(std::is_trivially_copyable_v<State>);
  return {reinterpret_cast<const char*>(&state), sizeof state};
}

template <class State>
bool restore_state(State& state, std::string_view bytes) {
  if (bytes.size() != sizeof state) return false;
  std::memcpy(&state, bytes.data(), sizeof state);
  return true;
}

void begin(SHA256_CTX& state) {
  SHA256_Init(&state);
}
void begin(SHA512_CTX& state) {
  SHA512_Init(&state);
}
void begin(SHA_CTX& state) {
  SHA1_Init(&state);
}
void begin(MD5_CTX& state) {
  MD5_Init(&state);
}
void add(SHA256_CTX& state, Bytes bytes) {
  SHA256_Update(&state, bytes.data(), bytes.size());
}
void add(SHA512_CTX& state, Bytes bytes) {
  SHA512_Update(&state, bytes.data(), bytes.size());
}
void add(SHA_CTX& state, Bytes bytes) {
  SHA1_Update(&state, bytes.data(), bytes.size());
}
void add(MD5_CTX& state, Bytes bytes) {
  MD5_Update(&state, bytes.data(), bytes.size());
}
void end(SHA256_CTX& state, unsigned char* digest) {
  SHA256_Final(digest, &state);
}
void end(SHA512_CTX& state, unsigned char* digest) {
  SHA512_Final(digest, &state);
}
void end(SHA_CTX& state, unsigned char* digest) {
  SHA1_Final(digest, &state);
}
void end(MD5_CTX& state, unsigned char* digest) {
  MD5_Final(digest, &state);
}

}  // namespace

Digester::Digester(DigestAlgorithm algorithm) : algorithm_(algorithm), context_(std::make_unique<Context>()) {
  switch (algorithm) {
    case DigestAlgorithm::sha256:
      context_->state.emplace<SHA256_CTX>();
      break;
    case DigestAlgorithm::sha512:
      context_->state.emplace<SHA512_CTX>();
      break;
    case DigestAlgorithm::sha1:
      context_->state.emplace<SHA_CTX>();
      break;
    case DigestAlgorithm::md5:
      context_->state.emplace<MD5_CTX>();
      break;
  }
  std::visit([](auto& state) { begin(state); }, context_->state);
}

Digester::~Digester() = default;
Digester::Digester(Digester&&) noexcept = default;
Digester& Digester::operator=(Digester&&) noexcept = default;

void Digester::update(Bytes bytes) {
  CHECK_THAT(context_ != nullptr);
  std::visit([&](auto& state) { add(state, bytes); }, context_->state);
}

std::string Digester::finish() {
  CHECK_THAT(context_ != nullptr);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  std::visit([&](auto& state) { end(state, digest.data()); }, context_->state);
  context_.reset();
  return {reinterpret_cast<const char*>(digest.data()), digest_bytes(algorithm_)};
}

Digester Digester::copy() const {
  CHECK_THAT(context_ != nullptr);
  Digester same(algorithm_);
  same.context_->state = context_->state;
  return same;
}

std::string Digester::save() const {
  CHECK_THAT(context_ != nullptr);
  return std::visit([](const auto& state) { return state_bytes(state); }, context_->state);
}

std::optional<Digester> Digester::restore(DigestAlgorithm algorithm, std::string_view saved) {
  Digester digester(algorithm);
  const bool restored = std::visit([&](auto& state) { return restore_state(state, saved); }, digester.context_->state);
  if (!restored) return std::nullopt;
  return digester;
}

std::expected<std::vector<Digest>, Rejection> parse_digest_field(std::string_view field) {
  const std::optional<SfDictionary> dictionary = parse_sf_dictionary(field);
  if (!dictionary) {
    return std::unexpected(Rejection{400, "bad_digest", "a digest field is no dictionary of structured fields"});
  }
  std::vector<Digest> digests;
  for (const auto& [key, member] : *dictionary) {
    const std::optional<DigestAlgorithm> algorithm = algorithm_of(key);
    if (!algorithm) continue;
    const auto* const value = sf_value<SfBytes>(member);
    if (!value) return std::unexpected(Rejection{400, "bad_digest", "a digest is no byte sequence"});
    if (value->bytes.size() != digest_bytes(*algorithm)) {
      return std::unexpected(Rejection{400, "bad_digest", "a digest has not the length of its algorithm"});
    }
    digests.push_back(Digest{*algorithm, value->bytes});
  }
  return digests;
}

std::string format_digest_field(const std::vector<Digest>& digests) {
  std::string field;
  for (const Digest& digest : digests) {
    if (!field.empty()) field += ", ";
    field += digest_key(digest.algorithm);
    field += '=';
    field += format_sf_bytes(digest.bytes);
  }
  return field;
}

std::expected<std::optional<DigestAlgorithm>, Rejection> parse_want_digest(std::string_view field) {
  const std::optional<SfDictionary> dictionary = parse_sf_dictionary(field);
  if (!dictionary) {
    return std::unexpected(
        Rejection{400, "bad_want_digest", "a field that wants a digest is no dictionary of structured fields"});
  }
  std::optional<DigestAlgorithm> wanted;
  int64_t most = 0;  // 0: not acceptable (RFC 9530 4)
  for (const auto& [key, member] : *dictionary) {
    const std::optional<DigestAlgorithm> algorithm = algorithm_of(key);
    if (!algorithm) continue;
    const auto* const preference = sf_value<int64_t>(member);
    if (!preference || *preference < 0 || *preference > kMostWanted) {
      return std::unexpected(
          Rejection{400, "bad_want_digest", "the preference for a digest is no integer from 0 to 10"});
    }
    const bool wins_tie = *preference > 0 && *preference == most && algorithm == DigestAlgorithm::sha256;
    if (*preference <= most && !wins_tie) continue;
    wanted = algorithm;
    most = *preference;
  }
  return wanted;
}

std::string sha256(std::string_view bytes) {
  Digester digester(DigestAlgorithm::sha256);
  digester.update(as_bytes(bytes));
  return digester.finish();
}

std::string hmac_sha256(std::string_view key, std::string_view message) {
  if (key.empty()) key = std::string_view("");  // HMAC() takes a null pointer for "the key of the last call"
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned length = 0;
  CHECK_THAT(key.size() <= INT32_MAX);
  CHECK_THAT(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), unsigned_bytes(message), message.size(),
                  mac.data(), &length) != nullptr);
  return {reinterpret_cast<const char*>(mac.data()), length};
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex += kHexDigits[byte >> 4U];
    hex += kHexDigits[byte & 0xfU];
  }
  return hex;
}

}  // namespace ringdrop::proto
