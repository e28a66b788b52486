#include "proto/chunk_line_guard.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace ringdrop::proto {
namespace {

// The size digits of one line fed in pieces of that many bytes; the reason when it is refused,
// "..." when it goes on.
std::string check(ChunkLineGuard& guard, std::string_view line, std::size_t piece_bytes) {
  while (!line.empty()) {
    const LineVerdict verdict = guard.check(line.substr(0, piece_bytes));
    if (verdict.refused) return verdict.refused->reason;
    if (verdict.complete) return std::string(guard.size_digits());
    line.remove_prefix(verdict.passed);
  }
  return "...";
}

std::string check(std::string_view line) {
  ChunkLineGuard guard({20, 30});
  const std::string whole = check(guard, line, line.size());
  for (std::size_t bytes = 1; bytes < line.size(); ++bytes) {
    ChunkLineGuard again({20, 30});
    CHECK(check(again, line, bytes) == whole);
  }
  return whole;
}

}  // namespace

TEST_CASE("a chunk-size line gives its digits, without the extensions") {
  CHECK(check("5\r\n") == "5");
  CHECK(check("0123456789abcDEF\r\n") == "0123456789abcDEF");
  CHECK(check("a;b=c\r\n") == "a");
  CHECK(check("1f ; b = \"c;\\\"\" ;d\r\n") == "1f");
  CHECK(check("5") == "...");
  CHECK(check("5;a=\"\\") == "...");
}

TEST_CASE("a chunk-size line of another form is refused") {
  CHECK(check("\r\n") == "a chunk line does not begin with a hexadecimal size");
  CHECK(check(" 5\r\n") == "a chunk line does not begin with a hexadecimal size");
  CHECK(check("0x5\r\n") == "a chunk size is not a hexadecimal number");
  CHECK(check("00000000000000000\r\n") == "a chunk size has more than 16 digits");
  CHECK(check("5\n") == "a chunk line ends with LF without CR");
  CHECK(check("5;a=b\n") == "a chunk line ends with LF without CR");
  CHECK(check("5\rX") == "a CR in a chunk line stands without LF");
  CHECK(check("5 \r\n") == "a chunk extension is malformed");
  CHECK(check("5;a b\r\n") == "a chunk extension is malformed");
}

TEST_CASE("extensions are counted for the line and for the body") {
  CHECK(check("5;" + std::string(19, 'a') + "\r\n") == "5");
  CHECK(check("5;" + std::string(20, 'a') + "\r\n") == "the chunk extensions are too large");
  ChunkLineGuard guard({20, 30});
  CHECK(check(guard, "1;" + std::string(19, 'a') + "\r\n", 100) == "1");
  guard.expect_size();
  CHECK(check(guard, "2;" + std::string(9, 'a') + "\r\n", 100) == "2");
  guard.expect_size();
  CHECK(check(guard, "3\r\n", 100) == "3");
  guard.expect_size();
  CHECK(check(guard, "4;a\r\n", 100) == "the chunk extensions are too large");
}

TEST_CASE("the line behind the data is CRLF and nothing else") {
  ChunkLineGuard guard({20, 30});
  guard.expect_data_end();
  CHECK_FALSE(guard.check("\r").complete);
  CHECK(guard.check("\n").complete);
  guard.expect_data_end();
  CHECK(guard.check("\n").refused);
  guard.expect_data_end();
  const LineVerdict verdict = guard.check("\rX");
  CHECK(verdict.passed == 1);
  CHECK(verdict.refused);
}

}  // namespace ringdrop::proto
