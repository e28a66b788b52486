// Digests of content: the algorithms (OpenSSL), the fields of RFC 9530, and the keyed and constant-time functions that
// secrets need. Computing is for worker threads when the input is large.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "proto/http_message.h"

namespace ringdrop::proto {

enum class DigestAlgorithm : uint8_t { sha256, sha512, sha1, md5 };

// The key in the fields of RFC 9530 ("sha-256", "sha-512"; "sha", "md5" for the others) and the bytes of a digest.
std::string_view digest_key(DigestAlgorithm algorithm);
std::size_t digest_bytes(DigestAlgorithm algorithm);

// Computes one digest over bytes that come in pieces. Movable.
class Digester {
 public:
  explicit Digester(DigestAlgorithm algorithm);
  ~Digester();
  Digester(Digester&&) noexcept;
  Digester& operator=(Digester&&) noexcept;

  DigestAlgorithm algorithm() const { return algorithm_; }
  void update(Bytes bytes);
  // The digest's bytes; the digester is used up.
  std::string finish();
  // As it is now, to go on with on its own.
  Digester copy() const;
  // The state so far, for restore() by this program on a machine of the same kind; nullopt: it is not one.
  std::string save() const;
  static std::optional<Digester> restore(DigestAlgorithm algorithm, std::string_view saved);

 private:
  struct Context;
  DigestAlgorithm algorithm_;
  std::unique_ptr<Context> context_;
};

struct Digest {
  DigestAlgorithm algorithm{};
  std::string bytes;
  bool operator==(const Digest&) const = default;
};

// Repr-Digest or Content-Digest (RFC 9530 2, 3), several lines joined: those of sha-256 and sha-512, in order. Other
// keys are ignored (what nobody asked us to know cannot be verified). 400 bad_digest: no dictionary, a known key whose
// value is no byte sequence of the right length. "" gives none.
std::expected<std::vector<Digest>, Rejection> parse_digest_field(std::string_view field);
// "sha-256=:...:, sha-512=:...:"
std::string format_digest_field(const std::vector<Digest>& digests);

// Want-Repr-Digest (RFC 9530 4): which of sha-256 and sha-512 is wanted most (0: not acceptable; the larger number
// wins, sha-256 on a tie). nullopt inside: none of ours. 400 bad_want_digest: no dictionary of integers 0 to 10 (for
// keys of ours).
std::expected<std::optional<DigestAlgorithm>, Rejection> parse_want_digest(std::string_view field);

std::string sha256(std::string_view bytes);
std::string hmac_sha256(std::string_view key, std::string_view message);
// Takes the same time wherever the texts differ; false for different lengths.
bool equal_in_constant_time(std::string_view a, std::string_view b);
// Lower case.
std::string to_hex(std::string_view bytes);

}  // namespace ringdrop::proto
