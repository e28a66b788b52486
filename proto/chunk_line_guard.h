// The guard over the lines between chunks (RFC 9112 7.1): the chunk-size line with its extensions,
// and the CRLF behind the data. Refuses a bare CR or LF, a size of no or more than 16 hex digits,
// an extension that is malformed or large. Extensions mean nothing to us (RFC 9112 7.1.1): they end
// here, the parser sees the size alone.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "proto/http_message.h"
#include "proto/line_guard.h"

namespace ringdrop::proto {

class ChunkLineGuard {
 public:
  struct Limits {
    std::size_t extension_bytes_line;  // above: 400
    std::size_t extension_bytes_body;  // of all lines; above: 400
  };

  // 16 hex digits are what 64 bits hold; llhttp 8.1.0 lets a 17th pass when the first is 0.
  static constexpr std::size_t kSizeDigits = 16;

  explicit ChunkLineGuard(Limits limits);

  // Goes on where the last call stopped, up to the LF that ends the line. Not to be called again
  // after a refusal, nor after the end before expect_size() or expect_data_end().
  LineVerdict check(std::string_view input);

  // The next line is a chunk-size line (so it is at first), or the bare CRLF behind a chunk's data.
  void expect_size();
  void expect_data_end();

  // The hex digits of a complete chunk-size line. Lives until expect_size().
  std::string_view size_digits() const { return {digits_.data(), digit_count_}; }

 private:
  enum class State : uint8_t {
    size,
    space_before_extension,  // "BWS" of RFC 9112 7.1.1: only a ';' may follow
    name_start,
    name,
    space_after_name,
    value_start,
    value,
    quoted,
    quoted_pair,
    quoted_end,
    space_after_value,
    data_end,
    lf,
    complete,
  };

  std::optional<Rejection> step(char c);
  std::optional<Rejection> step_size(char c);
  std::optional<Rejection> step_extension(char c);
  std::optional<Rejection> end_of_extension(char c, State space);

  Limits limits_;
  State state_ = State::size;
  std::array<char, kSizeDigits> digits_{};
  std::size_t digit_count_ = 0;
  std::size_t extension_bytes_line_ = 0;
  std::size_t extension_bytes_body_ = 0;
};

}  // namespace ringdrop::proto
