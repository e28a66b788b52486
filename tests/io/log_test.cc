#include "io/log.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/io/temporary_directory.h"

namespace ringdrop::test {
namespace {

using io::escape_for_log;
using io::Log;
using namespace std::string_view_literals;

// What `body` writes to standard error.
template <class Body>
std::string standard_error_of(Body body) {
  const TemporaryDirectory directory;
  const std::string path = directory / "stderr";
  std::FILE* const file = std::fopen(path.c_str(), "we");
  REQUIRE(file != nullptr);
  std::fflush(stderr);
  const int kept = dup(STDERR_FILENO);
  REQUIRE(dup2(fileno(file), STDERR_FILENO) == STDERR_FILENO);
  body();
  std::fflush(stderr);
  REQUIRE(dup2(kept, STDERR_FILENO) == STDERR_FILENO);
  close(kept);
  std::fclose(file);
  return directory.read("stderr");
}

std::size_t lines_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

}  // namespace

TEST_CASE("printable ASCII stays, everything else is escaped") {
  struct Row {
    std::string_view text;
    std::string_view escaped;
  };
  for (const Row row : {
           Row{"", ""},
           Row{"GET /a%20b?c=d HTTP/1.1 \"~\"", "GET /a%20b?c=d HTTP/1.1 \"~\""},
           Row{"a\r\nb", "a\\x0d\\x0ab"},
           Row{"tab\there", "tab\\x09here"},
           Row{"\0"sv, "\\x00"},
           Row{"\x1b[2J", "\\x1b[2J"},
           Row{"\x7f", "\\x7f"},
           Row{"ü", "\\xc3\\xbc"},
           Row{"\xe2\x80\xa8", "\\xe2\\x80\\xa8"},
           Row{"\xff\x9b", "\\xff\\x9b"},
           Row{"{} %s %n", "{} %s %n"},
       }) {
    CHECK(escape_for_log(row.text) == row.escaped);
  }
}

TEST_CASE("whatever the bytes are, only printable ASCII comes out") {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  CHECK(std::ranges::all_of(escape_for_log(all), [](char c) { return c >= ' ' && c <= '~'; }));
}

TEST_CASE("a line has time, level and text, and an input cannot forge a second one") {
  const std::string text = standard_error_of([] {
    Log log(Log::Level::info);
    log.warn("first {} \n2026-01-01 info forged");
  });
  CHECK(lines_of(text) == 1);
  CHECK(text.find(" warning first {} \\x0a2026-01-01 info forged\n") != std::string::npos);
  CHECK(text[4] == '-');
  CHECK(text[10] == 'T');
}

TEST_CASE("what is below the level is not written") {
  const std::string text = standard_error_of([] {
    Log log(Log::Level::warn);
    CHECK_FALSE(log.enabled(Log::Level::info));
    CHECK(log.enabled(Log::Level::error));
    log.debug("one");
    log.info("two");
    log.warn("three");
    log.error("four");
  });
  CHECK(lines_of(text) == 2);
  CHECK(text.find("one") == std::string::npos);
  CHECK(text.find("two") == std::string::npos);
}

TEST_CASE("off is off, whatever is written") {
  const std::string text = standard_error_of([] {
    Log log(Log::Level::off);
    CHECK_FALSE(log.enabled(Log::Level::error));
    CHECK_FALSE(log.enabled(Log::Level::off));
    log.error("nothing");
    log.write(Log::Level::off, "nothing");
  });
  CHECK(text.empty());
}

TEST_CASE("several threads write whole lines, and the end writes what is queued") {
  const std::string text = standard_error_of([] {
    Log log(Log::Level::info);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&log] {
        for (int i = 0; i < 100; ++i) log.info("a line of one of the threads");
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  CHECK(lines_of(text) == 400);
  std::size_t whole = 0;
  for (std::size_t at = text.find(" info a line of one of the threads\n"); at != std::string::npos;
       at = text.find(" info a line of one of the threads\n", at + 1)) {
    ++whole;
  }
  CHECK(whole == 400);
}

}  // namespace ringdrop::test
