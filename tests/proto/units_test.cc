#include "proto/units.h"

#include <doctest/doctest.h>

#include <limits>

namespace ringdrop::proto {

using std::chrono::milliseconds;

TEST_CASE("durations are a whole number and one unit") {
  CHECK(parse_duration("250ms") == milliseconds(250));
  CHECK(parse_duration("0s") == milliseconds(0));
  CHECK(parse_duration("30s") == milliseconds(30'000));
  CHECK(parse_duration("15m") == milliseconds(900'000));
  CHECK(parse_duration("36h") == milliseconds(129'600'000));
  CHECK(parse_duration("7d") == milliseconds(604'800'000));
  CHECK(parse_duration("9223372036854775807ms") == milliseconds::max());
}

TEST_CASE("what is no duration or too long a one is refused") {
  for (const std::string_view text :
       {"", "s", "30", "30 s", " 30s", "30s ", "-1s", "+1s", "1.5h", "1h30m", "30S", "1w", "0x1s", "1e3s",
        "9223372036854775808ms", "9223372036854775807s", "106751991168d", "18446744073709551616ms"}) {
    CAPTURE(text);
    CHECK(parse_duration(text) == std::nullopt);
  }
}

TEST_CASE("sizes are bytes or have a binary or decimal unit") {
  CHECK(parse_size("0") == 0);
  CHECK(parse_size("512") == 512);
  CHECK(parse_size("1500B") == 1500);
  CHECK(parse_size("64KiB") == 65'536);
  CHECK(parse_size("8MiB") == 8'388'608);
  CHECK(parse_size("40GiB") == 42'949'672'960);
  CHECK(parse_size("5TiB") == 5'497'558'138'880);
  CHECK(parse_size("1KB") == 1'000);
  CHECK(parse_size("2MB") == 2'000'000);
  CHECK(parse_size("3GB") == 3'000'000'000);
  CHECK(parse_size("4TB") == 4'000'000'000'000);
  CHECK(parse_size("18446744073709551615") == std::numeric_limits<uint64_t>::max());
}

TEST_CASE("what is no size or too large a one is refused") {
  for (const std::string_view text : {"",
                                      "B",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1 KiB",
                                      "1k",
                                      "1K",
                                      "1kB",
                                      "1kib",
                                      "1KIB",
                                      "1.5MiB",
                                      "1MiBx",
                                      "0x10",
                                      "1e3",
                                      "1_000",
                                      "18446744073709551616",
                                      "16777216TiB",
                                      "18446744073709551615KB"}) {
    CAPTURE(text);
    CHECK(parse_size(text) == std::nullopt);
  }
}

TEST_CASE("sizes are written in the largest unit that divides them") {
  CHECK(format_size(0) == "0B");
  CHECK(format_size(1) == "1B");
  CHECK(format_size(1500) == "1500B");
  CHECK(format_size(1024) == "1KiB");
  CHECK(format_size(1536) == "1536B");
  CHECK(format_size(67'108'864) == "64MiB");
  CHECK(format_size(5'497'558'138'880) == "5TiB");
  CHECK(format_size(uint64_t{1} << 63) == "8388608TiB");
  CHECK(format_size(std::numeric_limits<uint64_t>::max()) == "18446744073709551615B");
}

TEST_CASE("what is written is read back") {
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 20, uint64_t{1000}, uint64_t{3} << 40}) {
    CHECK(parse_size(format_size(bytes)) == bytes);
  }
}

}  // namespace ringdrop::proto
