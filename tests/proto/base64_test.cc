#include "proto/base64.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::string_literals;

namespace ringdrop::proto {

TEST_CASE("the test vectors of RFC 4648 10 are encoded and decoded") {
  const std::vector<std::pair<std::string_view, std::string_view>> vectors = {{"", ""},
                                                                              {"f", "Zg=="},
                                                                              {"fo", "Zm8="},
                                                                              {"foo", "Zm9v"},
                                                                              {"foob", "Zm9vYg=="},
                                                                              {"fooba", "Zm9vYmE="},
                                                                              {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    CAPTURE(bytes);
    CHECK(base64_encode(bytes) == text);
    CHECK(base64_decode(text) == bytes);
  }
}

TEST_CASE("all bytes survive, at every length") {
  CHECK(base64_encode("\xfb\xff\xbf"s) == "+/+/");
  CHECK(base64_encode("\0\0\0"s) == "AAAA");
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    CHECK(base64_decode(base64_encode(bytes)) == bytes);
    bytes += static_cast<char>(i * 7);
  }
}

TEST_CASE("every text that stands for no bytes is refused") {
  for (const std::string_view text :
       {"=",       "==",       "====",     "===",     "Z",        "Zg",       "Zg=",   "Zm8",
        "Z===",    "Zm9vY",    "Zm9vYg",   "Zm9vYg=", "Zg==Zg==", "Zm8=Zm8=", "=Zg=",  "Z=g=",
        "Zg==\n",  "Zm9v\r\n", "Zm 9v",    " Zm9",    "Zm9v    ", "Zm9-",     "Zm9_",  "Zm9.",
        "Zm9\xc3", "Zm9v====", "Zm9vZ===", "Zm9v=",   "Zg=a",     "Z\ng=",    "+/+/=", "!!!!"}) {
    CAPTURE(text);
    CHECK(base64_decode(text) == std::nullopt);
  }
  CHECK(base64_decode("Zm9\0"s) == std::nullopt);
}

TEST_CASE("bits that stand for nothing have to be zero") {
  CHECK(base64_decode("Zg==") == "f");
  CHECK(base64_decode("Zh==") == std::nullopt);
  CHECK(base64_decode("Zv==") == std::nullopt);
  CHECK(base64_decode("Zm8=") == "fo");
  CHECK(base64_decode("Zm9=") == std::nullopt);
}

}  // namespace ringdrop::proto
