#include "proto/line_guard.h"

#include <algorithm>

#include "proto/characters.h"

namespace ringdrop::proto {
namespace {

constexpr std::string_view kVersionPrefix = "HTTP/";
constexpr std::size_t kVersionBytes = 8;  // "HTTP/" DIGIT "." DIGIT, RFC 9112 2.3

Rejection bad(const char* reason) {
  return {400, "bad_request", reason};
}

// Bytes that are wrong wherever they stand get their own reason; for others `reason` says what was
// expected.
Rejection bad_byte(char c, const char* reason) {
  if (c == '\n') return bad("a line ends with LF without CR");
  if (c == '\0') return bad("the head contains a NUL byte");
  if (c != '\r' && c != '\t' && is_control(c)) return bad("the head contains a control character");
  return bad(reason);
}

}  // namespace

LineGuard::LineGuard(Section section, Limits limits)
    : limits_(limits), state_(section == Section::head ? State::before : State::line_start) {}

LineVerdict LineGuard::check(std::string_view input) {
  LineVerdict verdict;
  while (verdict.passed < input.size() && state_ != State::complete) {
    verdict.passed += pass_run(input.substr(verdict.passed));
    if (verdict.passed == input.size()) break;
    verdict.refused = step(input[verdict.passed]);
    if (verdict.refused) return verdict;
    ++verdict.passed;
  }
  verdict.complete = state_ == State::complete;
  return verdict;
}

// The fast way over bytes that change nothing but the counts, as far as the limits allow. What
// stops it, a limit too, is step()'s to judge.
std::size_t LineGuard::pass_run(std::string_view input) {
  CharacterClass run_class = kTokenChar;
  std::size_t budget = limits_.section_bytes - std::min(limits_.section_bytes, section_bytes_);
  switch (state_) {
    case State::method:
    case State::name:
      break;
    case State::value:
      run_class = kValueChar;
      break;
    case State::target:
      run_class = kTargetChar;
      budget = limits_.target_bytes - target_bytes_;
      break;
    default:
      return 0;
  }
  const std::size_t length = run_length(input.substr(0, budget), run_class);
  section_bytes_ += length;
  if (state_ == State::target) target_bytes_ += length;
  return length;
}

std::optional<Rejection> LineGuard::step(char c) {
  if (state_ == State::before || state_ == State::before_lf) return step_before(c);
  // Inside the target its own limit alone counts: who sends too long a target is to learn that it
  // is the target.
  if (state_ != State::target && section_bytes_ >= limits_.section_bytes) {
    return Rejection{431, "header_too_large", "the field lines are too large"};
  }
  ++section_bytes_;
  switch (state_) {
    case State::method:
      if (c != ' ') return bad_byte(c, "the method is not a token");
      state_ = State::target;
      return std::nullopt;
    case State::target:
      return step_target(c);
    case State::version:
    case State::version_end:
      return step_version(c);
    case State::line_lf:
      return expect_lf(c, State::line_start);
    case State::line_start:
      return step_line_start(c);
    case State::name:
      if (c == ' ' || c == '\t') return bad("there is white space before the colon of a field");
      if (c != ':') return bad_byte(c, "a field line has no colon or its name is not a token");
      state_ = State::value;
      return std::nullopt;
    case State::value:
      if (c != '\r') return bad_byte(c, "a field value contains a control character");
      state_ = State::line_lf;
      return std::nullopt;
    case State::section_lf:
      return expect_lf(c, State::complete);
    case State::before:
    case State::before_lf:
    case State::complete:
      break;
  }
  return bad("there are bytes behind the end of the head");
}

std::optional<Rejection> LineGuard::step_before(char c) {
  if (state_ == State::before_lf) return expect_lf(c, State::before);
  if (c == '\r') {
    if (++empty_lines_ > kEmptyLinesBefore) return bad("there are too many empty lines before the request");
    state_ = State::before_lf;
    return std::nullopt;
  }
  if (!is_in(c, kTokenChar)) return bad_byte(c, "the request does not begin with a method");
  ++section_bytes_;
  state_ = State::method;
  return std::nullopt;
}

std::optional<Rejection> LineGuard::step_target(char c) {
  if (is_in(c, kTargetChar)) return Rejection{414, "uri_too_long", "the request target is too long"};
  if (c == '\r') return bad("the request line has no HTTP version");  // HTTP/0.9 ends here
  if (c != ' ') return bad_byte(c, "the request target contains a byte that must be percent-encoded");
  if (target_bytes_ == 0) return bad("the request line has more than one space in a row");
  state_ = State::version;
  return std::nullopt;
}

std::optional<Rejection> LineGuard::step_version(char c) {
  if (state_ == State::version_end) {
    if (c != '\r') return bad_byte(c, "the request line goes on behind the HTTP version");
    state_ = State::line_lf;
    return std::nullopt;
  }
  constexpr std::size_t kMajorAt = kVersionPrefix.size();
  const std::size_t at = version_bytes_;
  const bool right = at < kMajorAt ? c == kVersionPrefix[at] : at == kMajorAt + 1 ? c == '.' : is_digit(c);
  if (!right) return bad_byte(c, "the request line does not end in HTTP/1.1");
  if (at == kMajorAt && c == '0') return bad("HTTP/0.9 is not spoken here");
  if (at == kMajorAt && c != '1') {
    return Rejection{505, "unsupported_version", "only HTTP/1.1 and HTTP/1.0 are spoken here"};
  }
  if (++version_bytes_ == kVersionBytes) state_ = State::version_end;
  return std::nullopt;
}

std::optional<Rejection> LineGuard::step_line_start(char c) {
  if (c == '\r') {
    state_ = State::section_lf;
    return std::nullopt;
  }
  if (c == ' ' || c == '\t') return bad("a field line begins with white space");  // obs-fold, RFC 9112 5.2
  if (!is_in(c, kTokenChar)) return bad_byte(c, "a field name is empty or not a token");
  if (fields_ == limits_.fields) return Rejection{431, "header_too_large", "there are too many field lines"};
  ++fields_;
  state_ = State::name;
  return std::nullopt;
}

std::optional<Rejection> LineGuard::expect_lf(char c, State next) {
  if (c != '\n') return bad("a CR stands without LF");
  state_ = next;
  return std::nullopt;
}

}  // namespace ringdrop::proto
