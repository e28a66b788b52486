// The content of one request, in order, whatever its framing (RFC 9112 6): with Content-Length it is received straight
// into the caller's memory, chunked it is decoded there. Sends 100 Continue when the first byte is asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>

#include "base/bytes.h"
#include "io/task.h"
#include "proto/http_message.h"
#include "proto/http_parser.h"
#include "server/http/inbound.h"
#include "server/http/limits.h"
#include "server/http/response_writer.h"

namespace ringdrop::http {

class BodyReader {
 public:
  // All outlive the reader; `parser` has a complete head.
  BodyReader(Inbound& inbound, proto::HttpParser& parser, ResponseWriter& response, const HttpLimits& limits,
             const std::stop_token& stop);

  // Waits until read() has something to do, holding no buffer. closed: the peer ended before the body did; timed_out:
  // the stall rule; cancelled.
  io::Task<io::Result<>> wait();

  // Content into `into`: all of it, or less when the body has ended or nothing came for `patience`; 0 before the end
  // means "nothing yet": wait(). Errors as wait(); refused: the chunked framing is broken (see rejection()); exhausted:
  // the pool had no buffer for too long.
  io::Task<io::Result<std::size_t>> read(MutableBytes into, io::Milliseconds patience);

  // Every byte of the content (and the chunked framing behind it) was read.
  bool complete() const;
  // The declared size in bytes; nullopt for a chunked body.
  std::optional<uint64_t> length() const;
  uint64_t bytes_read() const { return bytes_read_; }
  // More had come along with the head than one receive takes: the peer is fast. Before the first read().
  bool starts_fast() const { return inbound_.has_more_waiting() && !inbound_.unused().empty(); }
  // Fields behind a chunked body; once complete().
  const proto::Fields& trailers() const { return parser_.trailers(); }
  // Whether what is left of the body may be read for the connection's sake: not when it is much, or when the client
  // still waits for its 100 and may never send it. A chunked one is worth the try.
  bool can_be_skipped() const;
  // Why the framing was refused, when a read() was, or the next one will be.
  const std::optional<proto::Rejection>& rejection() const { return rejection_; }

 private:
  io::Task<io::Result<>> send_continue();
  io::Task<io::Result<Bytes>> next_arrived(io::TimePoint patient_until);
  io::Task<io::Result<Bytes>> receive_into(MutableBytes room, io::TimePoint patient_until);
  io::Task<io::Result<std::size_t>> read_sized(MutableBytes into, io::TimePoint patient_until);
  io::Task<io::Result<std::size_t>> read_chunked(MutableBytes into, io::TimePoint patient_until);

  Inbound& inbound_;
  proto::HttpParser& parser_;
  ResponseWriter& response_;
  const HttpLimits& limits_;
  const std::stop_token& stop_;
  StallGuard stall_;
  bool continue_owed_;
  uint64_t left_;  // of a sized body
  uint64_t bytes_read_ = 0;
  std::optional<proto::Rejection> rejection_;
};

}  // namespace ringdrop::http
