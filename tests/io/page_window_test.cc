// What of a file is in memory: when the kernel is asked in which way.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>

#include "io/file.h"

namespace ringdrop::io {
namespace {

using namespace std::chrono_literals;

// A page cache to order. Nobody submits anything.
class CacheRing final : public Ring {
 public:
  std::optional<bool> counted = true;
  bool each_is_there = true;
  bool readable = true;
  std::string asked;  // c: count, e: each, r: read

  std::optional<bool> all_cached(int, uint64_t, std::size_t) override {
    asked += 'c';
    return counted;
  }
  void* map_pages(int, uint64_t, std::size_t) override { return &asked; }
  bool in_memory(const void*, std::size_t, std::size_t) override {
    asked += 'e';
    return each_is_there;
  }
  bool reads_at_once(int, uint64_t) override {
    asked += 'r';
    return readable;
  }

  void submit(Operation&) override { std::abort(); }
  void cancel(Operation&) override { std::abort(); }
  void close(int) override { std::abort(); }
  Wait wait(TimePoint) override { std::abort(); }
  void deliver() override { std::abort(); }
  void wake() override { std::abort(); }
  void complete_from_thread(Completion&, int32_t) override { std::abort(); }
  TimePoint now() override { std::abort(); }
  EpochMs epoch_ms() override { std::abort(); }
  void random(MutableBytes) override { std::abort(); }
  Result<int> listen(const Address&) override { std::abort(); }
  Result<int> make_socket(const Address&) override { std::abort(); }
  Address local_address(int) override { std::abort(); }
  Result<uint64_t> unacknowledged_bytes(int) override { std::abort(); }
  bool register_memory(unsigned, MutableBytes) override { std::abort(); }
};

struct Fixture {
  CacheRing ring;
  PageWindow window;
  TimePoint now{1h};

  Fixture() {
    window.begin(ring, kMiB);
    CHECK(ask(0, true) == "er");  // whether somebody reads ahead at this moment is not known
    now += 1s;
  }
  // What the kernel was asked for it.
  std::string ask(uint64_t offset, bool expected) {
    ring.asked.clear();
    CHECK(window.in_memory(3, offset, 1000, now) == expected);
    return ring.asked;
  }
};

TEST_CASE_FIXTURE(Fixture, "what is in memory is counted, and its last byte is read") {
  CHECK(ask(0, true) == "cr");
  CHECK(ask(1000, true) == "cr");
}

TEST_CASE_FIXTURE(Fixture, "what was there just now is not asked for again, for 20 ms") {
  CHECK(ask(0, true) == "cr");
  now += 19ms;
  CHECK(ask(0, true).empty());
  now += 1ms;
  CHECK(ask(0, true) == "cr");
}

TEST_CASE_FIXTURE(Fixture, "for a second after something was missing each page is asked for") {
  ring.counted = false;
  ring.each_is_there = false;
  CHECK(ask(0, false) == "ce");
  ring.counted = true;  // it is being read
  now += 999ms;
  CHECK(ask(0, false) == "e");
  now += 999ms;
  ring.each_is_there = true;
  CHECK(ask(0, true) == "er");
  now += 1ms;
  CHECK(ask(1000, true) == "cr");
}

TEST_CASE_FIXTURE(Fixture, "what cannot be read at once is missing, too") {
  ring.readable = false;
  CHECK(ask(0, false) == "cr");
  ring.readable = true;
  CHECK(ask(0, true) == "er");
}

TEST_CASE_FIXTURE(Fixture, "a kernel that does not count is not asked to again") {
  ring.counted = std::nullopt;
  CHECK(ask(0, true) == "cer");
  CHECK(ask(1000, true) == "er");
}

TEST_CASE_FIXTURE(Fixture, "nor is one that counts less than there is: it looks elsewhere") {
  ring.counted = false;
  CHECK(ask(0, true) == "cer");
  CHECK(ask(1000, true) == "er");
}

TEST_CASE_FIXTURE(Fixture, "what is behind the end of the file is never in memory") {
  CHECK(ask(kMiB - 999, false).empty());
}

}  // namespace
}  // namespace ringdrop::io
