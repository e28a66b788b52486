// Small files that are read and written whole: settings, states. These calls block: they belong on a worker lane, or
// before the loop runs.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "io/error.h"

namespace ringdrop::io {

// The content. not_found; refused: more than `most_bytes`, or no regular file; system.
Result<std::string> read_small_file(const std::string& path, std::size_t most_bytes);

// Puts a file of that content (0600) in the place of `path`: after a crash there is the old one or the new one, whole.
// Directories that are missing above it are made (0700). Others may do the same at the same time: one wins.
Result<> replace_small_file(const std::string& path, std::string_view content);

// No error when there is none.
Result<> remove_small_file(const std::string& path);

}  // namespace ringdrop::io
