#include "server/http/response_writer.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "proto/http_date.h"
#include "proto/http_response.h"
#include "server/http/body_reader.h"

namespace ringdrop::http {
namespace {

// Status line, Date, Content-Length, Connection, and what the handler's own connection adds: usually.
constexpr std::size_t kOwnLinesBytes = 256;

bool has_body(uint16_t status) {
  return status >= 200 && status != 204 && status != 304;
}

}  // namespace

void ResponseWriter::begin(const proto::RequestHead& request) {
  http_1_0_ = request.minor_version == 0;
  head_request_ = request.method == proto::Method::head;
  keep_alive_ = request.keep_alive;
  body_ = nullptr;
  wants_body_ = true;
  chunked_ = false;
  finished_ = false;
  status_ = 0;
  length_.reset();
  added_ = {};
  held_head_.clear();
  held_head_sent_ = 0;
  body_bytes_sent_ = 0;
  stall_ = StallGuard(limits_);
}

void ResponseWriter::begin_unparsed() {
  begin(proto::RequestHead{});
  close_after();
}

std::string ResponseWriter::final_head(uint16_t status, std::string_view field_lines, std::optional<uint64_t> length) {
  CHECK_THAT(!started() && status >= 200);
  status_ = status;
  if (drain_.stop_requested() || (body_ && !body_->can_be_skipped())) close_after();
  // Requests behind this one may be gone: the client is to know that they were not heard.
  if (inbound_.has_dropped()) close_after();
  length_ = length;
  wants_body_ = has_body(status) && !head_request_;
  const bool unknown_length = wants_body_ && !length;
  chunked_ = unknown_length && !http_1_0_;
  if (unknown_length && http_1_0_) keep_alive_ = false;  // delimited by the end of the connection (RFC 9112 6.3)
  std::string text;
  text.reserve(field_lines.size() + kOwnLinesBytes);
  proto::append_status_line(text, status);
  text += field_lines;
  proto::append_fields(text, added_);
  proto::append_field(text, "Date", proto::format_http_date(loop_.epoch_ms() / 1000));
  if (length && has_body(status)) proto::append_field(text, "Content-Length", std::to_string(*length));
  if (chunked_) proto::append_field(text, "Transfer-Encoding", "chunked");
  if (!keep_alive_) proto::append_field(text, "Connection", "close");
  if (keep_alive_ && http_1_0_) proto::append_field(text, "Connection", "keep-alive");
  text += "\r\n";
  return text;
}

// One call to the kernel; after_send() follows.
io::Pending<std::size_t> ResponseWriter::send_once(Bytes first, Bytes second, io::TimePoint patient_until) {
  const io::TimePoint deadline = std::min(patient_until, stall_.begin_wait(loop_.now()));
  return socket_.send_all(first, second, deadline, stop_);
}

// What came of it, of `wanted` bytes: the count of those that left, 0 when none did in time.
io::Result<std::size_t> ResponseWriter::after_send(io::Result<std::size_t> sent, std::size_t wanted) {
  stall_.waited(loop_.now());
  if (!sent && sent.error().code == io::Errc::timed_out) sent = 0;
  if (!sent) return sent;
  count_handed_over(*sent);
  if (*sent < wanted && stall_.expired()) return io::fail(io::Errc::timed_out, "send");
  if (*sent < wanted && stop_.stop_requested()) return io::fail(io::Errc::cancelled, "send");
  return sent;
}

// The kernel has taken them.
void ResponseWriter::count_handed_over(std::size_t bytes) {
  stall_.moved(bytes);
  handed_over_bytes_ += bytes;
}

io::Task<io::Result<>> ResponseWriter::send_text(std::string_view first_text, Bytes second) {
  Bytes first = as_bytes(first_text);
  while (!first.empty() || !second.empty()) {
    io::Result<std::size_t> sent = co_await send_once(first, second, loop_.now() + kBufferPatience);
    sent = after_send(sent, first.size() + second.size());
    if (!sent) co_return std::unexpected(sent.error());
    if (*sent < first.size() + second.size()) {
      const io::Result<> writable = co_await wait_writable();
      if (!writable) co_return writable;
    }
    const std::size_t of_first = std::min(*sent, first.size());
    first = first.subspan(of_first);
    second = second.subspan(*sent - of_first);
  }
  co_return io::Result<>{};
}

io::Task<io::Result<>> ResponseWriter::send_interim(const proto::ResponseHead& head) {
  if (http_1_0_) co_return io::Result<>{};
  const std::string text = proto::format_response_head(head);
  co_return co_await send_text(text, Bytes{});
}

io::Task<io::Result<>> ResponseWriter::switch_protocols(const proto::ResponseHead& head) {
  CHECK_THAT(!started() && head.status == 101);
  status_ = head.status;
  keep_alive_ = false;
  const std::string text = proto::format_response_head(head);
  const io::Result<> sent = co_await send_text(text, Bytes{});
  finished_ = sent.has_value();
  co_return sent;
}

io::Task<io::Result<>> ResponseWriter::send(const proto::ResponseHead& head, std::string_view body) {
  const std::string text = final_head(head.status, proto::format_fields(head.fields), body.size());
  const Bytes content = wants_body_ ? as_bytes(body) : Bytes{};
  const io::Result<> sent = co_await send_text(text, content);
  if (!sent) co_return sent;
  finished_ = true;
  body_bytes_sent_ = content.size();
  co_return sent;
}

void ResponseWriter::start(const proto::ResponseHead& head, std::optional<uint64_t> length) {
  start(head.status, proto::format_fields(head.fields), length);
}

void ResponseWriter::start(uint16_t status, std::string_view field_lines, std::optional<uint64_t> length) {
  held_head_ = final_head(status, field_lines, length);
  held_head_sent_ = 0;
}

io::Task<io::Result<>> ResponseWriter::write(Bytes bytes) {
  CHECK_THAT(wants_body_);
  if (bytes.empty()) co_return io::Result<>{};
  std::string before = std::exchange(held_head_, {}).substr(held_head_sent_);
  held_head_sent_ = 0;
  if (chunked_) before += proto::format_chunk_size(bytes.size());
  io::Result<> sent = co_await send_text(before, bytes);
  if (sent && chunked_) sent = co_await send_text("\r\n", Bytes{});
  if (sent) count_body(bytes.size());
  co_return sent;
}

io::Task<io::Result<std::size_t>> ResponseWriter::write_some(Bytes bytes, io::Milliseconds patience) {
  CHECK_THAT(wants_body_ && length_);
  const Bytes head = as_bytes(held_head_).subspan(held_head_sent_);
  io::Result<std::size_t> sent = co_await send_once(head, bytes, loop_.now() + patience);
  sent = after_send(sent, head.size() + bytes.size());
  if (!sent) co_return sent;
  co_return count_sent(*sent);
}

io::Result<io::SentNow> ResponseWriter::write_file_now(const io::File& file, uint64_t offset, std::size_t bytes) {
  CHECK_THAT(wants_body_ && length_);
  if (stop_.stop_requested()) return io::fail(io::Errc::cancelled, "send");
  const Bytes head = as_bytes(held_head_).subspan(held_head_sent_);
  if (body_bytes_sent_ + bytes < *length_) cork();
  io::Result<io::SentNow> sent = socket_.send_file_now(head, file, offset, bytes);
  if (!sent) return sent;
  count_handed_over(sent->bytes);
  sent->bytes = count_sent(sent->bytes);
  return sent;
}

void ResponseWriter::cork() {
  if (!std::exchange(corked_, true)) socket_.cork(true);
}

void ResponseWriter::uncork() {
  if (std::exchange(corked_, false)) socket_.cork(false);
}

// Of so many bytes the first are the held head's: how many were the body's.
std::size_t ResponseWriter::count_sent(std::size_t bytes) {
  const std::size_t of_head = std::min(bytes, held_head_.size() - held_head_sent_);
  held_head_sent_ += of_head;
  if (held_head_sent_ == held_head_.size()) {
    held_head_.clear();
    held_head_sent_ = 0;
  }
  count_body(bytes - of_head);
  return bytes - of_head;
}

// An answer of known length ends with its last byte.
void ResponseWriter::count_body(std::size_t bytes) {
  body_bytes_sent_ += bytes;
  if (!length_ || body_bytes_sent_ != *length_ || !held_head_.empty()) return;
  finished_ = true;
  uncork();
}

// A socket is writable again only when a third of its send buffer is free: megabytes, which a slow reader does not take
// within a stall_timeout. So when the wait ends without, what the peer has acknowledged meanwhile counts.
io::Task<io::Result<>> ResponseWriter::wait_writable() {
  // Who reads on in a moment keeps what it has sent behind this request.
  bool patient = true;
  for (;;) {
    const io::TimePoint stalled = stall_.begin_wait(loop_.now());
    const io::TimePoint deadline = patient ? std::min(stalled, loop_.now() + kBufferPatience) : stalled;
    const io::Result<> writable = co_await socket_.wait_writable(deadline, stop_);
    stall_.waited(loop_.now());
    if (writable || writable.error().code != io::Errc::timed_out) co_return writable;
    if (std::exchange(patient, false)) inbound_.set_aside();
    count_acknowledged();
    if (stall_.expired()) co_return writable;
  }
}

io::Task<io::Result<>> ResponseWriter::wait_acknowledged() {
  uncork();
  const io::Milliseconds longest{500};
  io::Milliseconds pause{5};
  io::WaitList pausing(loop_, "an answer that waits to be acknowledged");
  for (;;) {
    const io::TimePoint stalled = stall_.begin_wait(loop_.now());
    const io::Result<uint64_t> left = socket_.unacknowledged_bytes();
    if (!left) co_return std::unexpected(left.error());
    if (*left == 0) co_return io::Result<>{};
    const io::Result<> waited = co_await pausing.wait(std::min(stalled, loop_.now() + pause), stop_);
    stall_.waited(loop_.now());
    if (!waited && waited.error().code == io::Errc::cancelled) co_return waited;
    count_acknowledged();
    if (stall_.expired()) co_return io::fail(io::Errc::timed_out, "send");
    pause = std::min(pause * 2, longest);
  }
}

void ResponseWriter::count_acknowledged() {
  const io::Result<uint64_t> unacknowledged = socket_.unacknowledged_bytes();
  if (!unacknowledged) return;
  const uint64_t on_the_way = std::min(*unacknowledged, handed_over_bytes_);
  const uint64_t acknowledged = std::max(handed_over_bytes_ - on_the_way, acknowledged_bytes_);
  stall_.moved(acknowledged - acknowledged_bytes_);
  acknowledged_bytes_ = acknowledged;
}

io::Task<io::Result<>> ResponseWriter::finish() {
  std::string rest = std::exchange(held_head_, {}).substr(held_head_sent_);
  held_head_sent_ = 0;
  if (chunked_) rest += proto::kLastChunk;
  if (wants_body_ && length_ && body_bytes_sent_ != *length_) {
    keep_alive_ = false;
    co_return io::fail(io::Errc::corrupt, "send");
  }
  finished_ = true;
  if (rest.empty()) co_return io::Result<>{};
  co_return co_await send_text(rest, Bytes{});
}

}  // namespace ringdrop::http
