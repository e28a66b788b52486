// The bytes of a connection, whatever carries them: the seam between a plain socket and one under TLS (tls.h). At most
// one coroutine receives and one sends at a time; the two may be different.
#pragma once

#include <cstddef>
#include <stop_token>

#include "base/bytes.h"
#include "io/clock.h"
#include "io/socket.h"
#include "io/task.h"

namespace ringdrop::io {

class Stream {
 public:
  virtual ~Stream() = default;

  // One to into.size() bytes; 0: the peer has ended its half. closed, timed_out, cancelled; system EPROTO: broken TLS.
  // `stop` lives until it is over, here and below.
  virtual Task<Result<std::size_t>> receive_some(MutableBytes into, TimePoint deadline,
                                                 const std::stop_token& stop) = 0;
  // All of it, however long it takes as long as it moves. timed_out: nothing went out for as long as `stall`. closed,
  // cancelled. After a failure nobody knows how much was sent.
  virtual Task<Result<>> send_all(Bytes bytes, Milliseconds stall, const std::stop_token& stop) = 0;
  // Says that nothing more will be sent, if that can be said at once.
  virtual Task<> say_goodbye() = 0;
};

class PlainStream final : public Stream {
 public:
  PlainStream(EventLoop& loop, Socket socket) : loop_(loop), socket_(std::move(socket)) {}

  Task<Result<std::size_t>> receive_some(MutableBytes into, TimePoint deadline, const std::stop_token& stop) override;
  Task<Result<>> send_all(Bytes bytes, Milliseconds stall, const std::stop_token& stop) override;
  Task<> say_goodbye() override;

 private:
  EventLoop& loop_;
  Socket socket_;
};

// What Stream::send_all() promises, for a socket.
Task<Result<>> send_unless_stalled(EventLoop& loop, Socket& socket, Bytes bytes, Milliseconds stall,
                                   const std::stop_token& stop);

}  // namespace ringdrop::io
