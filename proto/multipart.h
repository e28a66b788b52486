// Incremental parser of multipart/form-data (RFC 7578, RFC 2046 5.1): bytes in, part heads and content out. Nothing is
// collected: content comes out as it comes in; what is kept is one part head and at most a delimiter's length. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "proto/http_message.h"

namespace ringdrop::proto {

struct MultipartLimits {
  std::size_t part_head_bytes = 8 * kKiB;  // fields of one part: above: 431 part_header_too_large
  std::size_t preamble_bytes = 64 * kKiB;  // before the first and behind the last delimiter, each: above: 400
  std::size_t parts = 1'000;               // above: 400 too_many_parts
};

// The head of one part.
struct PartHead {
  std::string name;                      // of the form field; bytes as sent, unescaped as described below
  std::optional<std::string> file_name;  // present: a file part. Bytes, as accept_file_name() wants them
  std::string content_type;              // "" when not given
};

class MultipartParser {
 public:
  // `boundary`: the parameter of Content-Type, 1 to 70 characters of RFC 2046's bchars; see is_valid_boundary().
  explicit MultipartParser(std::string boundary, MultipartLimits limits = {});
  ~MultipartParser();
  MultipartParser(const MultipartParser&) = delete;
  MultipartParser& operator=(const MultipartParser&) = delete;

  enum class Event : uint8_t {
    need_more,    // all of the input is consumed
    part_begins,  // part() is valid from here on
    content,      // `content` of the part; never empty
    part_ends,    // its delimiter was seen: the part is whole
    ended,        // the closing delimiter was seen; what still comes is epilogue and consumed without events
  };
  struct Step {
    Event event = Event::need_more;
    std::size_t consumed = 0;  // bytes of input
    Bytes content;             // within the input or within the parser; lives until the next call or the input's end
  };
  // One event at a time: call again with the rest of the input until need_more. Content before an error is delivered
  // first. An error is final. The events, and the concatenated content of each part, do not depend on how the input is
  // split. 400 bad_multipart (the reason says what), 400 too_many_parts, 431 part_header_too_large.
  //
  // Lenient where real clients are: preamble and epilogue are skipped; LWS after the boundary ("transport padding").
  // Strict elsewhere: line ends are CRLF; a part has exactly one Content-Disposition, "form-data" with a name; at most
  // one Content-Type; no Content-Transfer-Encoding other than 7bit, 8bit, binary (RFC 7578 4.7); field lines as in
  // RFC 9112 5 (no folding, no control characters); other fields are ignored.
  //
  // Names: quoted strings and tokens. In a quoted `name` or `filename` a backslash escapes '"' and '\\' alone (browsers
  // once sent Windows paths, curl escapes these two), and %22, %0D, %0A are '"', CR, LF (WHATWG form-data escaping);
  // every other byte stands for itself. `filename*` (RFC 8187, UTF-8 or ISO-8859-1) wins over `filename`; one that does
  // not parse is 400. Of a file name with path separators ('/' or '\\' as in C:\dir\file) only what follows the last
  // one counts; for '\\' only when the name looks like a Windows path ("X:\\" or "\\\\").
  std::expected<Step, Rejection> step(Bytes input);

  // Valid from part_begins until the next part_begins.
  const PartHead& part() const;
  // The closing delimiter was seen. A body that ends before is not whole.
  bool ended() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

// Whether a Content-Type says multipart/form-data, however broken its parameters are.
bool is_form_data(std::string_view content_type);
// Its boundary, also where a client has left it unquoted though its characters want quotes; nullopt: it has no valid
// one.
std::optional<std::string> form_boundary(std::string_view content_type);

// RFC 2046 5.1.1: 1 to 70 bchars, not ending in a space.
bool is_valid_boundary(std::string_view boundary);

}  // namespace ringdrop::proto
