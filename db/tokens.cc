#include "db/tokens.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/base62.h"

namespace ringdrop::db {
namespace {

constexpr double power(double base, std::size_t exponent) {
  return exponent == 0 ? 1.0 : base * power(base, exponent - 1);
}
// Guessing must be hopeless: at least 128 bits.
static_assert(power(62, kLinkTokenCharacters) > power(2, 128));

// More than the 22 that are needed, since 8 in 256 bytes are of no use: one draw nearly always does.
constexpr std::size_t kDrawnBytes = 32;
static_assert(kDrawnBytes > kLinkTokenCharacters);

}  // namespace

std::string make_link_token(io::Ring& ring) {
  while (true) {
    std::array<std::byte, kDrawnBytes> random;
    ring.random(random);
    std::optional<std::string> token = base62_from_random(random, kLinkTokenCharacters);
    if (token) return *std::move(token);
  }
}

bool is_link_token(std::string_view text) {
  return text.size() == kLinkTokenCharacters && std::ranges::all_of(text, is_base62);
}

}  // namespace ringdrop::db
