// How a link's token leads to its row. Tokens are as good as random to everybody else; to who has the catalogue's key
// each tells the number of its link, so that rows are added one behind the other, however many there are, and found
// without an index of tokens, which would change another page for each new link.
//
// A token is 22 characters of base 62 for the 16 bytes that TokenCipher makes of
//
//     number (5 bytes, big endian) | 0 (6 bytes) | random (5 bytes)
//
// Whatever else somebody sends as a token becomes another block, which has these zeros and an existing number once in
// 2^88 / links, and then the 40 random bits too, which the row has: the whole token is compared with the row's. To
// guess a link takes 2^128 / links tries, as if tokens were random.
//
// Links that are older than the key have other tokens; those are in the table `tokens`, and none tells a number.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "db/sqlite.h"
#include "db/token_cipher.h"
#include "io/error.h"
#include "io/ring.h"

namespace ringdrop::db {

class LinkNumbers {
 public:
  using Key = std::array<std::byte, TokenCipher::kKeyBytes>;

  // Of a migrated database, for its writer. Where there is no key that fits the links (a new file, one of an older
  // version, a damaged key) it gets one that is made of `fresh`, strong random bytes, and the links that are there keep
  // their tokens. Damage to rows does not keep the rest from being read; corrupt: the page of the key is damaged.
  // no_space, system.
  static io::Result<std::unique_ptr<LinkNumbers>> open(Database& database, const Key& fresh);
  // The same, which writes nothing. nullptr: there is no key that fits.
  static io::Result<std::unique_ptr<LinkNumbers>> read(Database& database);

  // Any thread. A new token, for a link that is inserted soon or never.
  std::string make_token(io::Ring& ring);
  // Any thread. The number that a token tells, of a link that may exist; nullopt: it tells none.
  std::optional<int64_t> number_of(std::string_view token) const;

  // open() has replaced a key that did not fit.
  bool has_replaced_key() const { return has_replaced_key_; }

  // A number for a link whose token tells none. The writer's thread.
  int64_t take_number() { return next_.fetch_add(1, std::memory_order_relaxed); }
  // Whether a token that tells no number may be in the table `tokens`. Set before the first one is inserted.
  bool has_unnumbered() const { return has_unnumbered_.load(std::memory_order_acquire); }
  void note_unnumbered() { has_unnumbered_.store(true, std::memory_order_release); }

 private:
  explicit LinkNumbers(std::string_view key) : cipher_(key) {}
  static io::Result<std::unique_ptr<LinkNumbers>> make(Database& database, Key key);
  io::Result<bool> fits(Database& database) const;
  io::Result<bool> tells_of_any(Database& database) const;
  io::Result<> look_at(Database& database);

  TokenCipher cipher_;
  std::atomic<int64_t> next_{1};
  std::atomic<bool> has_unnumbered_{false};
  bool has_replaced_key_ = false;
};

}  // namespace ringdrop::db
