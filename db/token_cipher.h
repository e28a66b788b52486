// A permutation of 128-bit blocks that only who has the key can follow: AES-256 (FIPS 197) of a single block, by
// OpenSSL. As each block is encrypted once and differs from all others, there is no mode of operation.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "base/base62.h"

namespace ringdrop::db {

class TokenCipher {
 public:
  static constexpr std::size_t kKeyBytes = 32;
  using Block = Block128;

  // `key`: kKeyBytes bytes. Throws std::bad_alloc.
  explicit TokenCipher(std::string_view key);
  ~TokenCipher();
  TokenCipher(const TokenCipher&) = delete;
  TokenCipher& operator=(const TokenCipher&) = delete;

  // Any thread; some hundred nanoseconds, under a lock of each direction.
  Block encrypt(const Block& plain) const;
  Block decrypt(const Block& secret) const;

 private:
  struct Direction;
  static Block run(Direction& direction, const Block& in);

  std::unique_ptr<Direction> encrypting_;
  std::unique_ptr<Direction> decrypting_;
};

}  // namespace ringdrop::db
