// Incremental parser of HTTP/1.1 responses (RFC 9112 4, 6, 7): bytes in, heads and body pieces out; interim responses
// (1xx) are handed up like others, one by one. As strict as the parser of requests: the same guards look at each byte
// of a head and of what stands between chunks. They leave nothing to a parser behind them but to cut lines, so there is
// none. Not here: reading from a socket, deadlines, what a status means.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>

#include "base/bytes.h"
#include "proto/http_message.h"

namespace ringdrop::proto {

struct HttpResponseLimits {
  std::size_t head_bytes = 32 * kKiB;  // status line and fields
  std::size_t fields = 100;
  std::size_t chunk_extension_bytes_line = 4 * kKiB;
  std::size_t chunk_extension_bytes_body = 16 * kKiB;
  std::size_t trailer_bytes = 8 * kKiB;
};

// How a response's body ends (RFC 9112 6.3).
enum class ResponseFraming : uint8_t { none, content_length, chunked, until_close };

struct ReceivedHead {
  uint16_t status = 0;        // 100 to 999
  uint8_t minor_version = 1;  // 0 or 1
  bool keep_alive = true;     // another request may follow on this connection (RFC 9112 9.3)
  ResponseFraming framing = ResponseFraming::none;
  uint64_t content_length = 0;  // bytes; meaningful when framing is content_length
  Fields fields;

  bool interim() const { return status < 200 && status != 101; }
};

// Why a response cannot be understood; a string literal, one sentence without a full stop.
struct MalformedResponse {
  const char* reason;
};

class HttpResponseParser {
 public:
  explicit HttpResponseParser(HttpResponseLimits limits = {});
  ~HttpResponseParser();
  HttpResponseParser(const HttpResponseParser&) = delete;
  HttpResponseParser& operator=(const HttpResponseParser&) = delete;

  // Forgets the message: the next response answers a HEAD request, or not (what has no body depends on it).
  void expect(bool to_head);

  // Feeds bytes of a head: consumes all of `input`, or up to and including the empty line that ends the head; returns
  // the bytes consumed. Errors are final, and the same however the input is split. Precondition: !head_complete().
  std::expected<std::size_t, MalformedResponse> parse_head(Bytes input);
  bool head_complete() const;
  bool head_started() const;
  // Valid once head_complete(), until expect(). The final response behind an interim one is another message.
  const ReceivedHead& head() const;

  // Feeds bytes of the body, writes the content to the front of `output`. Stops when the input is used up, the output
  // is full, or the body has ended. The two do not overlap. Precondition: head_complete().
  struct Decoded {
    std::size_t consumed;  // bytes of input
    std::size_t produced;  // bytes of output
  };
  std::expected<Decoded, MalformedResponse> decode(Bytes input, MutableBytes output);
  bool body_complete() const;
  // The connection has ended: true when the body may end like this (until_close), which it has then.
  bool finish_by_close();

 private:
  class State;
  const HttpResponseLimits limits_;
  std::unique_ptr<State> state_;
};

}  // namespace ringdrop::proto
