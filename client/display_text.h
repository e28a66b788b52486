// Text for a terminal: what a file is called or a server says may hold anything. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ringdrop::client {

// Controls (C0, DEL, C1) and bytes that are no UTF-8 become '?'.
std::string printable(std::string_view text);

// Columns of printable text: two for what East Asian scripts and pictures take, roughly (no locale is asked).
std::size_t display_columns(std::string_view text);

// Printable text in exactly `columns`: cut at its end, with "..." where there is room for it, or filled with spaces.
std::string fit(std::string_view text, std::size_t columns);

}  // namespace ringdrop::client
