// Incremental parser of HTTP/1.1 requests (RFC 9112): bytes in, a RequestHead and body pieces out.
// llhttp is behind it; a guard stands before it that refuses what llhttp 8.1.0 lets pass (bare CR
// or LF, folded lines, NUL, long chunk sizes) over the head, the chunk-size lines and the trailers.
// Not here: reading from a socket, deadlines, answering.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>

#include "base/bytes.h"
#include "proto/http_message.h"

namespace ringdrop::proto {

// Bounds on what one message may make us keep or skip.
struct HttpParserLimits {
  std::size_t target_bytes = 8 * kKiB;                 // above: 414
  std::size_t head_bytes = 32 * kKiB;                  // request line and fields: above: 431
  std::size_t fields = 100;                            // field lines: above: 431
  std::size_t chunk_extension_bytes_line = 4 * kKiB;   // above: 400
  std::size_t chunk_extension_bytes_body = 16 * kKiB;  // above: 400
  std::size_t trailer_bytes = 8 * kKiB;                // above: 431
};

class HttpParser {
 public:
  explicit HttpParser(HttpParserLimits limits = {});
  ~HttpParser();
  HttpParser(const HttpParser&) = delete;
  HttpParser& operator=(const HttpParser&) = delete;

  // Feeds bytes of a head. Consumes all of `input`, or up to and including the empty line that ends
  // the head: returns the bytes consumed. Every byte that is kept is copied, so `input` may go
  // afterwards. Any error is final: the connection is answered with it and closed. An answer is the
  // one for the earliest wrong byte, however the input was split. Precondition: !head_complete().
  //   400 bad_request          a malformed head, framing that is not certain
  //   400 bad_host             no Host, more than one, an invalid one
  //   414 uri_too_long         the target, as soon as it is
  //   417 expectation_failed   an Expect that is not 100-continue
  //   431 header_too_large     the head or the number of its fields, as soon as they are
  //   501 unsupported_method   one unknown to llhttp; what it knows and we do not: Method::other
  //   501 unsupported_coding   a transfer coding besides chunked
  //   505 unsupported_version  HTTP/2 and above; a minor version above 1 is taken as 1
  std::expected<std::size_t, Rejection> parse_head(Bytes input);
  bool head_complete() const;
  // Whether any byte of the message has been fed (an EOF then is a broken request, before it is an
  // idle close). Empty lines before the request line are skipped (RFC 9112 2.2) and no part of it.
  bool head_started() const;
  // Valid once head_complete(), until reset().
  const RequestHead& head() const;

  // Decodes a chunked body: feeds `input`, writes the content to the front of `output`. Stops when
  // the input is used up, the output is full and content comes next, or the body has ended (with
  // its trailers()). `output` may be the memory of `input` or begin
  // before it: the content never overtakes what is still to be read. Content before an error is
  // delivered first: the error is what the next call returns, for the bytes left over.
  // Refusals: 400 bad_request; 431 header_too_large for the trailers. Precondition: head_complete()
  // and head().framing == chunked. A body with Content-Length does not pass through here.
  struct Decoded {
    std::size_t consumed;  // bytes of input
    std::size_t produced;  // bytes of output
  };
  std::expected<Decoded, Rejection> decode_chunked(Bytes input, MutableBytes output);
  // Content of the chunk that has begun and was not decoded yet: it must still come. 0 between two chunks.
  uint64_t chunk_bytes_left() const;
  // Whether the chunked body has ended; true at once when there is no body, never for one with
  // Content-Length.
  bool body_complete() const;
  // The trailer section of a chunked body that has ended; never merged with the head's fields (RFC 9110 6.5.1). Until
  // reset().
  const Fields& trailers() const;

  // Forgets the message: ready for the next head.
  void reset();

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace ringdrop::proto
