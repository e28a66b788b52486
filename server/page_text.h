// Sizes as people write them, in the language of a page.
#pragma once

#include <cstdint>
#include <string>

#include "server/web_assets.h"

namespace ringdrop::server {

// "1.4 GiB (1,503,238,553 bytes)".
std::string describe_size(uint64_t bytes, Language language);
// "64 MiB": exactly, in the largest unit of which it is a whole number.
std::string whole_size(uint64_t bytes, Language language);

}  // namespace ringdrop::server
