#include "io/repeated_lines.h"

#include <fmt/format.h>

#include <utility>

namespace ringdrop::io {

std::optional<std::string> RepeatedLines::admit(std::string line, Time now) {
  const auto over = [&](const auto& entry) { return now >= entry.second.since + kWindow; };
  std::string key = line;
  std::erase_if(key, [](char c) { return c >= '0' && c <= '9'; });
  const auto known = seen_.find(key);
  if (known == seen_.end()) {
    if (seen_.size() >= kMostLines) std::erase_if(seen_, over);
    if (seen_.size() < kMostLines) seen_.emplace(std::move(key), Seen{now, 1});
    return line;
  }
  Seen& seen = known->second;
  if (!over(*known)) return ++seen.times <= kMostInWindow ? std::optional<std::string>(std::move(line)) : std::nullopt;
  const uint64_t left_out = seen.times > kMostInWindow ? seen.times - kMostInWindow : 0;
  seen = {now, 1};
  if (left_out > 0) line += fmt::format(" (and {} times more)", left_out);
  return line;
}

}  // namespace ringdrop::io
