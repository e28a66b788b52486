#include "proto/line_guard.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace ringdrop::proto {
namespace {

constexpr LineGuard::Limits kLimits{10, 60, 3};

struct Stop {
  std::size_t passed;  // bytes before the end or the refusal
  bool complete;
  std::string reason;

  bool operator==(const Stop&) const = default;
};

Stop check(LineGuard::Section section, std::string_view input, std::size_t piece_bytes) {
  LineGuard guard(section, kLimits);
  Stop stop{0, false, ""};
  while (stop.passed < input.size()) {
    const std::string_view piece = input.substr(stop.passed, piece_bytes);
    const LineVerdict verdict = guard.check(piece);
    stop.passed += verdict.passed;
    stop.complete = verdict.complete;
    if (verdict.refused) stop.reason = verdict.refused->reason;
    if (verdict.refused || verdict.complete) break;
    CHECK(verdict.passed == piece.size());
  }
  return stop;
}

// The same for pieces of every size.
Stop check(LineGuard::Section section, std::string_view input) {
  const Stop whole = check(section, input, input.size() + 1);
  for (std::size_t bytes = 1; bytes <= input.size(); ++bytes) CHECK(check(section, input, bytes) == whole);
  return whole;
}

Stop check_head(std::string_view input) {
  return check(LineGuard::Section::head, input);
}
Stop check_trailers(std::string_view input) {
  return check(LineGuard::Section::trailers, input);
}

}  // namespace

TEST_CASE("the guard passes a head up to its empty line") {
  CHECK(check_head("GET / HTTP/1.1\r\nA: b\r\n\r\nrest") == Stop{24, true, ""});
  CHECK(check_head("\r\nGET / HTTP/1.1\r\n\r\n") == Stop{20, true, ""});
  CHECK(check_head("GET / HTTP/1.1\r\nA:") == Stop{18, false, ""});
}

TEST_CASE("the guard stops at the very byte that is wrong") {
  CHECK(check_head("GET / HTTP/1.1\n") == Stop{14, false, "a line ends with LF without CR"});
  CHECK(check_head("GET / HTTP/1.1\rA") == Stop{15, false, "a CR stands without LF"});
  CHECK(check_head("GET / HTTP/2") == Stop{11, false, "only HTTP/1.1 and HTTP/1.0 are spoken here"});
  CHECK(check_head("GET / HTTP/1.1\r\n A") == Stop{16, false, "a field line begins with white space"});
  CHECK(check_head("GET / HTTP/1.1\r\nA :") == Stop{17, false, "there is white space before the colon of a field"});
  CHECK(check_head("GET / HTTP/1.1\r\nA:\x01") == Stop{18, false, "the head contains a control character"});
  CHECK(check_head("GET  ") == Stop{4, false, "the request line has more than one space in a row"});
  CHECK(check_head("GET /\r") == Stop{5, false, "the request line has no HTTP version"});
}

TEST_CASE("the guard counts") {
  CHECK(check_head("GET /123456789 ").reason == "");
  CHECK(check_head("GET /1234567890") == Stop{14, false, "the request target is too long"});
  CHECK(check_head("GET / HTTP/1.1\r\nA:\r\nB:\r\nC:\r\nD") == Stop{28, false, "there are too many field lines"});
  const std::string head = "GET / HTTP/1.1\r\nA:" + std::string(60 - 22, 'x') + "\r\n\r\n";
  REQUIRE(head.size() == 60);
  CHECK(check_head(head).complete);
  CHECK(check_head("G" + head).reason == "the field lines are too large");
}

TEST_CASE("trailers are field lines without a request line") {
  CHECK(check_trailers("\r\nrest") == Stop{2, true, ""});
  CHECK(check_trailers("A: b\r\n\r\n") == Stop{8, true, ""});
  CHECK(check_trailers(" A: b\r\n").reason == "a field line begins with white space");
  CHECK(check_trailers("GET / HTTP/1.1\r\n").reason == "there is white space before the colon of a field");
}

}  // namespace ringdrop::proto
