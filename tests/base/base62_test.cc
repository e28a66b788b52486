#include "base/base62.h"

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <vector>

namespace ringdrop {
namespace {

std::vector<std::byte> every_byte(int times) {
  std::vector<std::byte> bytes;
  for (int i = 0; i < times; ++i) {
    for (unsigned value = 0; value < 256; ++value) bytes.push_back(static_cast<std::byte>(value));
  }
  return bytes;
}

TEST_CASE("16 bytes are 22 digits of one number, and come back from them") {
  Block128 block{};
  CHECK(base62_from_block(block) == "0000000000000000000000");
  block[15] = 61;
  CHECK(base62_from_block(block) == "000000000000000000000z");
  block[15] = 62;
  CHECK(base62_from_block(block) == "0000000000000000000010");
  block.fill(0xff);
  CHECK(base62_from_block(block) == "7n42DGM5Tflk9n8mt7Fhc7");
  for (int first = 0; first < 256; ++first) {
    for (std::size_t i = 0; i < block.size(); ++i)
      block[i] = static_cast<unsigned char>(first + 37 * static_cast<int>(i));
    CHECK(block_from_base62(base62_from_block(block)) == block);
  }
}

TEST_CASE("what is no number of 16 bytes has no block") {
  CHECK(block_from_base62("7n42DGM5Tflk9n8mt7Fhc7").has_value());
  for (const char* const text :
       {"7n42DGM5Tflk9n8mt7Fhc8", "7n42DGM5Tflk9n8mt7Fhzz", "8000000000000000000000", "zzzzzzzzzzzzzzzzzzzzzz", "",
        "000000000000000000000", "00000000000000000000000", "000000000000-000000000", "0000000000000000000 00"}) {
    CAPTURE(text);
    CHECK_FALSE(block_from_base62(text).has_value());
  }
}

TEST_CASE("every character comes from the same number of byte values, so that none is likelier") {
  const auto text = base62_from_random(every_byte(1), 248);
  REQUIRE(text);
  std::map<char, int> counts;
  for (const char c : *text) ++counts[c];
  CHECK(counts.size() == 62);
  for (const auto& [character, count] : counts) {
    CAPTURE(character);
    CHECK(count == 4);
    CHECK(is_base62(character));
  }
}

TEST_CASE("bytes that would favour some characters are skipped") {
  std::array<std::byte, 10> bytes;
  bytes.fill(std::byte{255});
  CHECK_FALSE(base62_from_random(bytes, 1));
  bytes[9] = std::byte{61};
  CHECK(base62_from_random(bytes, 1) == "z");
}

TEST_CASE("too few usable bytes give nothing rather than a short text") {
  CHECK_FALSE(base62_from_random(every_byte(1), 249));
  CHECK(base62_from_random({}, 0) == "");
}

TEST_CASE("only digits and ASCII letters are base 62") {
  for (const char c : {'-', '_', '/', ':', '@', '[', '`', '{', ' ', '\0', '\xe4'}) CHECK_FALSE(is_base62(c));
  for (const char c : {'0', '9', 'A', 'Z', 'a', 'z'}) CHECK(is_base62(c));
}

}  // namespace
}  // namespace ringdrop
