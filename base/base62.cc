#include "base/base62.h"

namespace ringdrop {

std::optional<std::string> base62_from_random(Bytes random, std::size_t length) {
  static constexpr std::string_view kAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  static constexpr unsigned kUsable = 4 * 62;
  std::string text;
  text.reserve(length);
  for (const std::byte b : random) {
    if (text.size() == length) break;
    const auto value = std::to_integer<unsigned>(b);
    if (value < kUsable) text += kAlphabet[value % kAlphabet.size()];
  }
  if (text.size() < length) return std::nullopt;
  return text;
}

}  // namespace ringdrop
