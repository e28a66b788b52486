#include "server/http/body_reader.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace ringdrop::http {
namespace {

using proto::BodyFraming;

uint64_t declared_bytes(const proto::RequestHead& head) {
  return head.framing == BodyFraming::content_length ? head.content_length : 0;
}

}  // namespace

BodyReader::BodyReader(Inbound& inbound, proto::HttpParser& parser, ResponseWriter& response, const HttpLimits& limits,
                       const std::stop_token& stop)
    : inbound_(inbound),
      parser_(parser),
      response_(response),
      limits_(limits),
      stop_(stop),
      stall_(limits),
      continue_owed_(parser.head().expects_continue),
      left_(declared_bytes(parser.head())) {
  if (complete()) continue_owed_ = false;
}

bool BodyReader::complete() const {
  return parser_.head().framing == BodyFraming::chunked ? parser_.body_complete() : left_ == 0;
}

bool BodyReader::can_be_skipped() const {
  if (complete()) return true;
  return !continue_owed_ && (!length() || left_ <= limits_.drain_bytes);
}

std::optional<uint64_t> BodyReader::length() const {
  if (parser_.head().framing == BodyFraming::chunked) return std::nullopt;
  return declared_bytes(parser_.head());
}

// A client that sends the body without waiting needs no 100 (RFC 9110 10.1.1).
io::Task<io::Result<>> BodyReader::send_continue() {
  if (!continue_owed_) co_return io::Result<>{};
  continue_owed_ = false;
  if (!inbound_.unused().empty()) co_return io::Result<>{};
  const proto::ResponseHead go_on{.status = 100, .fields = {}};
  co_return co_await response_.send_interim(go_on);
}

io::Task<io::Result<>> BodyReader::wait() {
  if (rejection_) co_return io::Result<>{};
  io::Result<> asked = co_await send_continue();
  if (!asked || complete() || !inbound_.unused().empty()) co_return asked;
  io::EventLoop& loop = inbound_.loop();
  const io::TimePoint deadline = stall_.begin_wait(loop.now());
  const io::Result<> readable = co_await inbound_.wait(deadline, stop_);
  stall_.waited(loop.now());
  co_return readable;
}

io::Task<io::Result<std::size_t>> BodyReader::read(MutableBytes into, io::Milliseconds patience) {
  if (rejection_) co_return io::fail(io::Errc::refused, "receive");
  const io::Result<> asked = co_await send_continue();
  if (!asked) co_return std::unexpected(asked.error());
  // Some of it had to be given up, while the peer did not read an interim response: the rest is not the content.
  if (inbound_.has_dropped()) co_return io::fail(io::Errc::closed, "receive");
  const io::TimePoint patient_until = inbound_.loop().now() + patience;
  io::Result<std::size_t> got = io::Result<std::size_t>(0);
  if (parser_.head().framing == BodyFraming::chunked) {
    got = co_await read_chunked(into, patient_until);
  } else {
    got = co_await read_sized(into, patient_until);
  }
  if (!got) co_return got;
  bytes_read_ += *got;
  stall_.moved(*got);
  if (*got == 0 && !complete() && stall_.expired()) co_return io::fail(io::Errc::timed_out, "receive");
  co_return got;
}

io::Task<io::Result<std::size_t>> BodyReader::read_sized(MutableBytes into, io::TimePoint patient_until) {
  into = into.first(std::min<uint64_t>(into.size(), left_));
  // What came along with the head.
  const std::size_t early = std::min(into.size(), inbound_.unused().size());
  if (early > 0) {
    std::memcpy(into.data(), inbound_.unused().data(), early);
    inbound_.consume(early);
    left_ -= early;
    into = into.subspan(early);
  }
  if (into.empty()) co_return early;
  io::EventLoop& loop = inbound_.loop();
  const io::TimePoint deadline = std::min(patient_until, stall_.begin_wait(loop.now()));
  const io::Result<std::size_t> received = co_await inbound_.socket().receive_all(into, deadline, stop_);
  stall_.waited(loop.now());
  if (!received) {
    if (received.error().code == io::Errc::timed_out || early > 0) co_return early;
    co_return std::unexpected(received.error());
  }
  if (*received == 0 && early == 0) co_return io::fail(io::Errc::closed, "receive");
  left_ -= *received;
  co_return early + *received;
}

// Framing and content that have arrived, in the connection's buffer: what is left of it, or more. The wait for the peer
// counts as a stall, the one for a buffer of ours does not.
io::Task<io::Result<Bytes>> BodyReader::next_arrived(io::TimePoint patient_until) {
  if (!inbound_.unused().empty()) co_return inbound_.unused();
  io::EventLoop& loop = inbound_.loop();
  const io::TimePoint deadline = std::min(patient_until, stall_.begin_wait(loop.now()));
  const io::Result<> there = co_await inbound_.wait(deadline, stop_);
  stall_.waited(loop.now());
  if (!there) co_return std::unexpected(there.error());
  const io::Result<bool> received = co_await inbound_.receive(loop.now() + limits_.stall_timeout, stop_);
  if (!received) co_return std::unexpected(received.error());
  if (!*received) co_return io::fail(io::Errc::closed, "receive");
  co_return inbound_.unused();
}

// The same, received into the caller's memory. What may come behind the body is no more than the connection can keep.
io::Task<io::Result<Bytes>> BodyReader::receive_into(MutableBytes room, io::TimePoint patient_until) {
  const std::size_t sure = std::min<uint64_t>(room.size(), parser_.chunk_bytes_left());
  const MutableBytes now = room.first(std::min(room.size(), sure + kMostPutBackBytes));
  io::EventLoop& loop = inbound_.loop();
  const io::TimePoint deadline = std::min(patient_until, stall_.begin_wait(loop.now()));
  const io::Result<std::size_t> received = co_await inbound_.socket().receive_some(now, deadline, stop_);
  stall_.waited(loop.now());
  if (!received) co_return std::unexpected(received.error());
  if (*received == 0) co_return io::fail(io::Errc::closed, "receive");
  co_return Bytes(now.first(*received));
}

// Much room is received into and decoded in place; the rest is filled from the connection's buffer, which keeps what
// does not fit.
io::Task<io::Result<std::size_t>> BodyReader::read_chunked(MutableBytes into, io::TimePoint patient_until) {
  std::size_t produced = 0;
  while (produced < into.size() && !parser_.body_complete()) {
    const MutableBytes room = into.subspan(produced);
    const bool in_place = inbound_.unused().empty() && room.size() > kMostPutBackBytes;
    io::Result<Bytes> arrived = Bytes();
    if (in_place) {
      arrived = co_await receive_into(room, patient_until);
    } else {
      arrived = co_await next_arrived(patient_until);
    }
    if (!arrived) {
      if (arrived.error().code == io::Errc::timed_out || produced > 0) break;
      co_return std::unexpected(arrived.error());
    }
    const auto decoded = parser_.decode_chunked(*arrived, room);
    if (!decoded) {
      // What came before it is content all the same: the next call tells of the error.
      rejection_ = decoded.error();
      if (produced > 0) break;
      co_return io::fail(io::Errc::refused, "receive");
    }
    produced += decoded->produced;
    if (!in_place) {
      inbound_.consume(decoded->consumed);
      continue;
    }
    const Bytes rest = arrived->subspan(decoded->consumed);
    if (rest.empty()) continue;
    if (parser_.body_complete()) {
      inbound_.put_back(rest);
    } else {
      // There was room for all of it: what stopped here is the error, which needs no buffer to be met again.
      const auto broken = parser_.decode_chunked(rest, into.subspan(produced));
      CHECK_THAT(!broken);
      rejection_ = broken.error();
      break;
    }
  }
  co_return produced;
}

}  // namespace ringdrop::http
