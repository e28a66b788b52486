// The guard before the parser: looks at each byte of a head or of trailers before llhttp gets it,
// and refuses what RFC 9112 forbids and llhttp 8.1.0 lets pass: CR without LF, LF without CR (2.2),
// a line that begins with white space (2.2, 5.2), NUL and other controls, white space before the
// colon (5.1), a request line of another shape (3). It counts the limits as well, so that a refusal
// depends on the byte where it falls, never on how the input was split. It makes nothing of what it
// reads: it only refuses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "proto/http_message.h"

namespace ringdrop::proto {

// What a guard says about some input.
struct LineVerdict {
  std::size_t passed = 0;            // bytes at the front that may go on
  bool complete = false;             // the last of them is the end of what the guard watches
  std::optional<Rejection> refused;  // why the byte behind them may not go on
};

class LineGuard {
 public:
  enum class Section : uint8_t { head, trailers };
  struct Limits {
    std::size_t target_bytes;   // of the request target; above: 414
    std::size_t section_bytes;  // of all lines with their line ends; above: 431
    std::size_t fields;         // field lines; above: 431
  };

  // How many empty lines before a request line are skipped. RFC 9112 2.2 asks for one: old clients
  // send one behind the body of a POST.
  static constexpr int kEmptyLinesBefore = 4;

  LineGuard(Section section, Limits limits);

  // Goes on where the last call stopped, up to the empty line that ends the section. Not to be
  // called again after a refusal or the end.
  LineVerdict check(std::string_view input);

  // Bytes of the section that have passed.
  std::size_t bytes() const { return section_bytes_; }
  // Whether a byte of the section has passed; empty lines before a request line are no part of it.
  bool started() const { return section_bytes_ > 0; }

 private:
  enum class State : uint8_t {
    before,     // nothing of the request line yet
    before_lf,  // CR of an empty line before it
    method,
    target,
    version,      // the 8 bytes "HTTP/1.1"
    version_end,  // they are there: CR must come
    line_lf,      // CR of the request line or of a field line
    line_start,   // of a field line, or of the empty line that ends the section
    name,
    value,
    section_lf,  // CR of the last, empty line
    complete,
  };

  std::size_t pass_run(std::string_view input);
  std::optional<Rejection> step(char c);
  std::optional<Rejection> step_before(char c);
  std::optional<Rejection> step_target(char c);
  std::optional<Rejection> step_version(char c);
  std::optional<Rejection> step_line_start(char c);
  std::optional<Rejection> expect_lf(char c, State next);

  Limits limits_;
  State state_;
  int empty_lines_ = 0;
  std::size_t section_bytes_ = 0;
  std::size_t target_bytes_ = 0;
  std::size_t version_bytes_ = 0;
  std::size_t fields_ = 0;
};

}  // namespace ringdrop::proto
