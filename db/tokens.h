// A secret as the one in a link: who knows it may fetch the file. 22 characters of base 62. Those of links themselves
// are made by LinkNumbers.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "io/ring.h"

namespace ringdrop::db {

inline constexpr std::size_t kLinkTokenCharacters = 22;

// A new token: 130.9 bits from the ring's strong random bytes.
std::string make_link_token(io::Ring& ring);

// Exactly 22 of [0-9A-Za-z].
bool is_link_token(std::string_view text);

}  // namespace ringdrop::db
