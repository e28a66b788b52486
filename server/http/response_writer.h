// The answers of one connection: interim answers, whole answers, streamed answers. Adds what is the connection's to say
// (Date, Content-Length, Transfer-Encoding, Connection) and leaves out the body where there is none (HEAD, 204, 304).
// A streamed answer's head is held back and leaves together with the first bytes of its body, in one send.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "io/pending.h"
#include "io/task.h"
#include "io/wait_list.h"
#include "proto/http_message.h"
#include "server/http/inbound.h"
#include "server/http/limits.h"

namespace ringdrop::http {

class BodyReader;

class ResponseWriter {
 public:
  // All outlive the writer.
  // `drain`: the connection ends after the answer that is made next. `stop`: now.
  ResponseWriter(io::EventLoop& loop, Inbound& inbound, const HttpLimits& limits, const std::stop_token& drain,
                 const std::stop_token& stop)
      : loop_(loop),
        inbound_(inbound),
        socket_(inbound.socket()),
        limits_(limits),
        drain_(drain),
        stop_(stop),
        stall_(limits) {}

  // Ready for the answer to this request.
  void begin(const proto::RequestHead& request);
  // The body that may still be unread when the answer is made: then the answer says that the connection ends.
  void watch(const BodyReader& body) { body_ = &body; }
  // Ready for the answer to bytes that were no request.
  void begin_unparsed();

  // A field of the final answer, whoever makes it. Before its head is made.
  void add_field(std::string_view name, std::string_view value) { added_.add(name, value); }

  // All of the calls below: closed, timed_out (the stall rule), cancelled.

  // A 1xx answer (RFC 9110 15.2); nothing is sent to an HTTP/1.0 client. Any number before the final one.
  io::Task<io::Result<>> send_interim(const proto::ResponseHead& head);

  // The whole final answer.
  io::Task<io::Result<>> send(const proto::ResponseHead& head, std::string_view body);

  // A streamed final answer of `length` bytes, or of unknown length. Sends nothing yet. The one to a HEAD says nothing
  // of a length that is unknown (RFC 9110 8.6, RFC 9112 6.1).
  void start(const proto::ResponseHead& head, std::optional<uint64_t> length);
  // The same with fields that proto::format_fields() has made lines of before, for an answer that is given often.
  void start(uint16_t status, std::string_view field_lines, std::optional<uint64_t> length);
  // HEAD: a started answer has no body, finish() is all that is left to do. (So has one with status 204 or 304.)
  bool is_head() const { return head_request_; }
  // All of `bytes`.
  io::Task<io::Result<>> write(Bytes bytes);
  // As many of `bytes` as leave within `patience`, possibly none: then wait_writable() without holding a buffer. Only
  // for answers of known length.
  io::Task<io::Result<std::size_t>> write_some(Bytes bytes, io::Milliseconds patience);
  // The same with `bytes` bytes at `offset` of a file, which are in_memory(): as many as leave at once. Does not
  // suspend. The bytes of SentNow are the file's.
  io::Result<io::SentNow> write_file_now(const io::File& file, uint64_t offset, std::size_t bytes);
  io::Task<io::Result<>> wait_writable();
  // Until the peer has acknowledged all that was sent: only then has it arrived. closed: it never will. There is no
  // event for it: looks again and again, less and less often.
  io::Task<io::Result<>> wait_acknowledged();
  // The end of a streamed answer, unless it is finished() by its last byte. Fewer bytes than announced: the connection
  // will be closed, so that a short answer never looks whole.
  io::Task<io::Result<>> finish();

  // 101 (RFC 9110 15.2.2): from now on the connection speaks another protocol, over inbound() and its socket, until the
  // handler returns; then it ends.
  io::Task<io::Result<>> switch_protocols(const proto::ResponseHead& head);
  Inbound& inbound() { return inbound_; }
  const HttpLimits& limits() const { return limits_; }
  // The server is about to stop: what waits for nothing in particular should end.
  const std::stop_token& drain() const { return drain_; }
  // The connection ends now.
  const std::stop_token& stop() const { return stop_; }

  // The connection ends after this answer. Before its head is made: the answer says so.
  void close_after() { keep_alive_ = false; }
  bool keep_alive() const { return keep_alive_; }
  bool started() const { return status_ != 0; }
  bool finished() const { return finished_; }
  uint16_t status() const { return status_; }  // of the final answer; 0 before it
  uint64_t body_bytes_sent() const { return body_bytes_sent_; }

 private:
  std::string final_head(uint16_t status, std::string_view field_lines, std::optional<uint64_t> length);
  io::Pending<std::size_t> send_once(Bytes first, Bytes second, io::TimePoint patient_until);
  void cork();
  void uncork();
  io::Result<std::size_t> after_send(io::Result<std::size_t> sent, std::size_t wanted);
  io::Task<io::Result<>> send_text(std::string_view first, Bytes second);
  void count_handed_over(std::size_t bytes);
  std::size_t count_sent(std::size_t bytes);
  void count_body(std::size_t bytes);
  void count_acknowledged();

  io::EventLoop& loop_;
  Inbound& inbound_;
  io::Socket& socket_;
  const HttpLimits& limits_;
  const std::stop_token& drain_;
  const std::stop_token& stop_;
  const BodyReader* body_ = nullptr;  // of the request that is being answered
  StallGuard stall_;
  bool http_1_0_ = false;
  bool head_request_ = false;
  bool keep_alive_ = false;
  bool wants_body_ = true;
  bool chunked_ = false;
  bool finished_ = false;
  bool corked_ = false;
  uint16_t status_ = 0;
  std::optional<uint64_t> length_;
  proto::Fields added_;
  std::string held_head_;           // not sent yet
  std::size_t held_head_sent_ = 0;  // bytes of it that have left
  uint64_t body_bytes_sent_ = 0;
  // Of the whole connection.
  uint64_t handed_over_bytes_ = 0;   // to the kernel
  uint64_t acknowledged_bytes_ = 0;  // by the peer, when it was last asked for
};

}  // namespace ringdrop::http
