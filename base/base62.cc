#include "base/base62.h"

namespace ringdrop {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
__extension__ using Wide = unsigned __int128;

}  // namespace

std::optional<std::string> base62_from_random(Bytes random, std::size_t length) {
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

std::string base62_from_block(const Block128& block) {
  Wide number = 0;
  for (const unsigned char byte : block) number = number << 8 | byte;
  std::string text(kBlockDigits, '0');
  for (std::size_t i = kBlockDigits; i-- > 0; number /= 62) text[i] = kAlphabet[static_cast<std::size_t>(number % 62)];
  return text;
}

std::optional<Block128> block_from_base62(std::string_view text) {
  if (text.size() != kBlockDigits) return std::nullopt;
  Wide number = 0;
  for (const char c : text) {
    const std::size_t digit = kAlphabet.find(c);
    if (digit == kAlphabet.npos || number > (~Wide{0} - digit) / 62) return std::nullopt;
    number = number * 62 + digit;
  }
  Block128 block;
  for (std::size_t i = block.size(); i-- > 0; number >>= 8) block[i] = static_cast<unsigned char>(number);
  return block;
}

}  // namespace ringdrop
