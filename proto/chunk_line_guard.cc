#include "proto/chunk_line_guard.h"

#include "proto/characters.h"

namespace ringdrop::proto {
namespace {

Rejection bad(const char* reason) {
  return {400, "bad_request", reason};
}

bool is_space(char c) {
  return c == ' ' || c == '\t';
}

Rejection malformed_extension() {
  return bad("a chunk extension is malformed");
}

}  // namespace

ChunkLineGuard::ChunkLineGuard(Limits limits) : limits_(limits) {}

void ChunkLineGuard::expect_size() {
  state_ = State::size;
  digit_count_ = 0;
  extension_bytes_line_ = 0;
}

void ChunkLineGuard::expect_data_end() {
  state_ = State::data_end;
}

LineVerdict ChunkLineGuard::check(std::string_view input) {
  LineVerdict verdict;
  while (verdict.passed < input.size() && state_ != State::complete) {
    verdict.refused = step(input[verdict.passed]);
    if (verdict.refused) return verdict;
    ++verdict.passed;
  }
  verdict.complete = state_ == State::complete;
  return verdict;
}

std::optional<Rejection> ChunkLineGuard::step(char c) {
  switch (state_) {
    case State::size:
      return step_size(c);
    case State::data_end:
      if (c != '\r') return bad("the data of a chunk is not followed by CRLF");
      state_ = State::lf;
      return std::nullopt;
    case State::lf:
      if (c != '\n') return bad("a CR in a chunk line stands without LF");
      state_ = State::complete;
      return std::nullopt;
    default:
      break;
  }
  if (c != '\r' && (++extension_bytes_line_ > limits_.extension_bytes_line ||
                    ++extension_bytes_body_ > limits_.extension_bytes_body)) {
    return bad("the chunk extensions are too large");
  }
  return step_extension(c);
}

std::optional<Rejection> ChunkLineGuard::step_size(char c) {
  if (hex_digit_value(c) >= 0) {
    if (digit_count_ == kSizeDigits) return bad("a chunk size has more than 16 digits");
    digits_[digit_count_++] = c;
    return std::nullopt;
  }
  if (digit_count_ == 0) return bad("a chunk line does not begin with a hexadecimal size");
  if (c == '\r') {
    state_ = State::lf;
    return std::nullopt;
  }
  if (c == '\n') return bad("a chunk line ends with LF without CR");
  if (c != ';' && !is_space(c)) return bad("a chunk size is not a hexadecimal number");
  state_ = State::space_before_extension;
  return step(c);  // counts the byte among the extensions
}

// chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
// chunk-ext-val = token / quoted-string
std::optional<Rejection> ChunkLineGuard::step_extension(char c) {
  // Line ends inside an extension have made framings differ (Go CVE-2025-22871, Kestrel
  // CVE-2025-55315).
  if (c == '\n') return bad("a chunk line ends with LF without CR");
  switch (state_) {
    case State::space_before_extension:
    case State::space_after_value:
      if (is_space(c)) return std::nullopt;
      if (c != ';') return malformed_extension();
      state_ = State::name_start;
      return std::nullopt;
    case State::name_start:
      if (is_space(c)) return std::nullopt;
      if (!is_in(c, kTokenChar)) return malformed_extension();
      state_ = State::name;
      return std::nullopt;
    case State::name:
      if (is_in(c, kTokenChar)) return std::nullopt;
      if (c == '=') {
        state_ = State::value_start;
        return std::nullopt;
      }
      return end_of_extension(c, State::space_after_name);
    case State::space_after_name:
      if (is_space(c)) return std::nullopt;
      if (c != '=' && c != ';') return malformed_extension();
      state_ = c == '=' ? State::value_start : State::name_start;
      return std::nullopt;
    case State::value_start:
      if (is_space(c)) return std::nullopt;
      if (c != '"' && !is_in(c, kTokenChar)) return malformed_extension();
      state_ = c == '"' ? State::quoted : State::value;
      return std::nullopt;
    case State::value:
      if (is_in(c, kTokenChar)) return std::nullopt;
      return end_of_extension(c, State::space_after_value);
    case State::quoted:
      if (!is_in(c, kValueChar)) return malformed_extension();
      if (c == '"') state_ = State::quoted_end;
      if (c == '\\') state_ = State::quoted_pair;
      return std::nullopt;
    case State::quoted_pair:
      if (!is_in(c, kValueChar)) return malformed_extension();
      state_ = State::quoted;
      return std::nullopt;
    case State::quoted_end:
      return end_of_extension(c, State::space_after_value);
    case State::size:
    case State::data_end:
    case State::lf:
    case State::complete:
      break;
  }
  return malformed_extension();
}

// Behind a name or a value: the next extension, the end of the line, or the white space before
// either.
std::optional<Rejection> ChunkLineGuard::end_of_extension(char c, State space) {
  if (is_space(c)) {
    state_ = space;
  } else if (c == ';') {
    state_ = State::name_start;
  } else if (c == '\r') {
    state_ = State::lf;
  } else {
    return malformed_extension();
  }
  return std::nullopt;
}

}  // namespace ringdrop::proto
