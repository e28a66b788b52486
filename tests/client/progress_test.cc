#include <doctest/doctest.h>

#include <chrono>
#include <set>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "client/backoff.h"
#include "client/display_text.h"
#include "client/progress_line.h"

namespace ringdrop::client {
namespace {

using namespace std::chrono_literals;

ProgressView view_of(std::string_view name, uint64_t done, uint64_t total) {
  ProgressView view;
  view.name = name;
  view.done_bytes = done;
  view.total_bytes = total;
  return view;
}

}  // namespace

TEST_CASE("the delays double up to half a minute, with chance below them") {
  Backoff backoff;
  for (const auto most : {500ms, 1000ms, 2000ms, 4000ms, 8000ms, 16000ms, 30000ms, 30000ms}) {
    Backoff same = backoff;
    CHECK(same.next(0) == most);
    same = backoff;
    const auto half = static_cast<uint64_t>(most.count()) / 2;
    CHECK(same.next(half) == most / 2);
    for (const uint64_t random : {uint64_t{1}, uint64_t{12345}, UINT64_MAX}) {
      same = backoff;
      const io::Milliseconds delay = same.next(random);
      CHECK(delay >= most / 2);
      CHECK(delay <= most);
    }
    backoff.next(0);
  }
  backoff.reset();
  CHECK(backoff.next(0) == 500ms);
}

TEST_CASE("the line shows name, bar, percentage, rate and time left") {
  ProgressView view = view_of("film.mkv", 450, 1000);
  view.bytes_per_second = 10.0;
  CHECK(format_progress_line(view, 80) ==
        "film.mkv  [=================>                      ]  45%      10 B/s      0:55");
  view.done_bytes = 1000;
  CHECK(format_progress_line(view, 80) ==
        "film.mkv  [========================================] 100%      10 B/s      0:00");
  view.done_bytes = 0;
  view.bytes_per_second.reset();
  CHECK(format_progress_line(view, 80) ==
        "film.mkv  [                                        ]   0%                      ");
  view.waiting = "waiting";
  CHECK(format_progress_line(view, 80) ==
        "film.mkv  [                                        ]   0%     waiting          ");
}

TEST_CASE("without a total there is no bar, but how much there is") {
  ProgressView view = view_of("film.mkv", 3 << 20, 0);
  view.total_bytes.reset();
  view.bytes_per_second = 2048.0;
  CHECK(format_progress_line(view, 80) == "film.mkv   3.0 MiB   2.0 KiB/s");
  view.waiting = "paused";
  CHECK(format_progress_line(view, 80) == "film.mkv   3.0 MiB      paused");
  for (std::size_t columns = 1; columns < 100; ++columns) CHECK(format_progress_line(view, columns).size() < columns);
}

TEST_CASE("a line never fills its terminal, and what there is no room for goes") {
  for (const std::string_view name : {"f", "a name that is a good deal longer than any bar wants it to be.tar.zst",
                                      "\xe6\x98\xa0\xe7\x94\xbb\xe6\x98\xa0\xe7\x94\xbb\xe6\x98\xa0\xe7\x94\xbb.mkv"}) {
    for (std::size_t columns = 0; columns < 200; ++columns) {
      CAPTURE(columns);
      ProgressView view = view_of(name, 5ULL << 30U, 40ULL << 30U);
      view.bytes_per_second = 123456789.0;
      const std::string line = format_progress_line(view, columns);
      CHECK(display_columns(line) <= (columns > 0 ? columns - 1 : 0));
      if (columns >= 30) CHECK(line.find(" 12%") != std::string::npos);
      if (columns >= 60) CHECK(line.find('[') != std::string::npos);
    }
  }
}

TEST_CASE("an empty file is all there, and one that shrinks to the eye breaks nothing") {
  CHECK(format_progress_line(view_of("e", 0, 0), 80).find("100%") != std::string::npos);
  CHECK(format_progress_line(view_of("e", 7, 5), 80).find("140%") != std::string::npos);
}

TEST_CASE("numbers are short") {
  CHECK(format_bytes(0) == "0 B");
  CHECK(format_bytes(999) == "999 B");
  CHECK(format_bytes(1000) == "1.0 KiB");
  CHECK(format_bytes(1023.9 * 1024) == "1.0 MiB");
  CHECK(format_bytes(99.96 * 1024) == "100 KiB");
  CHECK(format_bytes(1.25 * 1024 * 1024 * 1024) == "1.2 GiB");
  CHECK(format_time(0) == "0:00");
  CHECK(format_time(59.6) == "1:00");
  CHECK(format_time(3599.4) == "59:59");
  CHECK(format_time(3661) == "1:01:01");
  CHECK(format_time(1e9) == "-:--");
  CHECK(format_summary("a", 3 * kMiB, 1500ms) == "a  3.0 MiB in 0:02, 2.0 MiB/s");
}

TEST_CASE("the rate is that of the last seconds") {
  RateMeter rate;
  const io::TimePoint start{};
  CHECK_FALSE(rate.bytes_per_second().has_value());
  rate.add(start, 0);
  rate.add(start + 200ms, 1'000'000);
  CHECK_FALSE(rate.bytes_per_second().has_value());  // too short to tell
  for (int i = 1; i <= 100; ++i) rate.add(start + i * 200ms, static_cast<uint64_t>(1'000'000 + i * 200));
  REQUIRE(rate.bytes_per_second().has_value());
  CHECK(*rate.bytes_per_second() == doctest::Approx(1000));  // the burst is forgotten
  rate.add(start + 21s, 5);                                  // a step back
  CHECK_FALSE(rate.bytes_per_second().has_value());
}

TEST_CASE("nothing that is shown can steer the terminal") {
  CHECK(printable("plain \xc3\xbc \xf0\x9f\x98\x80") == "plain \xc3\xbc \xf0\x9f\x98\x80");
  CHECK(printable("a\x1b[2Jb\r\n\tc\x7f") == "a?[2Jb???c?");
  CHECK(printable("\xc2\x9b"
                  "2J") == "?2J");  // CSI as one character
  CHECK(printable("a\xe2\x80\xae"
                  "b") == "a?b");  // right-to-left override
  CHECK(printable("\xff\xc3(\xe2\x82\xc0\x80\xed\xa0\x80").find_first_not_of("?(") == std::string::npos);
  CHECK(fit("abcdefghijkl", 9) == "abcdef...");
  CHECK(fit("abc", 5) == "abc  ");
  CHECK(fit("abc\n", 4) == "abc?");
  CHECK(fit("\xe6\x98\xa0\xe7\x94\xbb\xe6\x98\xa0\xe7\x94\xbb", 7) == "\xe6\x98\xa0\xe7\x94\xbb...");
  CHECK(display_columns(fit("\xe6\x98\xa0\xe7\x94\xbb\xe6\x98\xa0\xe7\x94\xbb", 4)) == 4);
}

}  // namespace ringdrop::client
