#include "base/base62.h"

#include <array>

namespace ringdrop {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
__extension__ using Wide = unsigned __int128;

constexpr Wide kMost = ~Wide{0};
constexpr unsigned kNoDigit = 62;

constexpr std::array<unsigned char, 256> kDigits = [] {
  std::array<unsigned char, 256> digits{};
  digits.fill(kNoDigit);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    digits[static_cast<unsigned char>(kAlphabet[i])] = static_cast<unsigned char>(i);
  }
  return digits;
}();

// As many digits as 64 bits hold: each division of 128 bits is a call of a function.
constexpr std::size_t kDigitsAtATime = 10;
constexpr uint64_t kPowerAtATime = [] {
  uint64_t power = 1;
  for (std::size_t i = 0; i < kDigitsAtATime; ++i) power *= 62;
  return power;
}();

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
  for (std::size_t end = kBlockDigits; end > 0;) {
    auto part = static_cast<uint64_t>(number % kPowerAtATime);
    number /= kPowerAtATime;
    const std::size_t begin = end > kDigitsAtATime ? end - kDigitsAtATime : 0;
    while (end > begin) {
      text[--end] = kAlphabet[part % 62];
      part /= 62;
    }
  }
  return text;
}

std::optional<Block128> block_from_base62(std::string_view text) {
  if (text.size() != kBlockDigits) return std::nullopt;
  Wide number = 0;
  for (const char c : text) {
    const unsigned digit = kDigits[static_cast<unsigned char>(c)];
    const bool overflows = number > kMost / 62 || (number == kMost / 62 && digit > kMost % 62);
    if (digit == kNoDigit || overflows) return std::nullopt;
    number = number * 62 + digit;
  }
  Block128 block;
  for (std::size_t i = block.size(); i-- > 0; number >>= 8) block[i] = static_cast<unsigned char>(number);
  return block;
}

}  // namespace ringdrop
