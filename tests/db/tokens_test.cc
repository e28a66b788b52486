#include "db/tokens.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "tests/support/loop_fixture.h"

namespace ringdrop::db {
namespace {

TEST_CASE("a token is 22 characters of base 62 and never the same twice") {
  test::LoopFixture fixture;
  std::set<std::string> tokens;
  for (int i = 0; i < 10'000; ++i) {
    const std::string token = make_link_token(fixture.ring());
    REQUIRE(is_link_token(token));
    tokens.insert(token);
  }
  CHECK(tokens.size() == 10'000);
}

// Only random() is called.
class BadRandom final : public io::Ring {
 public:
  void submit(io::Operation&) override {}
  void cancel(io::Operation&) override {}
  void close(int) override {}
  Wait wait(io::TimePoint) override { return {}; }
  void deliver() override {}
  void wake() override {}
  void complete_from_thread(io::Completion&, int32_t) override {}
  io::TimePoint now() override { return {}; }
  io::EpochMs epoch_ms() override { return 0; }
  void random(MutableBytes out) override {
    // Twice bytes that are of no use, and in the third draw just enough of the others.
    ++draws;
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = std::byte(draws > 2 && i < kLinkTokenCharacters ? i : 255);
    }
  }
  io::Result<int> listen(const io::Address&) override { return 0; }
  io::Result<int> make_socket(const io::Address&) override { return 0; }
  io::Address local_address(int) override { return {}; }
  io::Result<uint64_t> unacknowledged_bytes(int) override { return 0; }
  bool register_memory(unsigned, MutableBytes) override { return false; }

  int draws = 0;
};

TEST_CASE("unusable random bytes are drawn again") {
  BadRandom random;
  CHECK(make_link_token(random) == "0123456789ABCDEFGHIJKL");
  CHECK(random.draws == 3);
}

TEST_CASE("what is not 22 of 0-9A-Za-z is no token") {
  CHECK(is_link_token("0123456789ABCDEFxyzABC"));
  CHECK_FALSE(is_link_token(""));
  CHECK_FALSE(is_link_token("0123456789ABCDEFxyzAB"));
  CHECK_FALSE(is_link_token("0123456789ABCDEFxyzABCD"));
  for (const char c : std::string("-_/. %\0\x80\xff@[`{", 12)) {
    std::string token = "0123456789ABCDEFxyzABC";
    token[7] = c;
    CHECK_FALSE(is_link_token(token));
  }
}

}  // namespace
}  // namespace ringdrop::db
