// Stream sockets: a Listener that accepts and a connected Socket. Nothing here buffers.
#pragma once

#include <cstddef>
#include <stop_token>
#include <utility>

#include "base/bytes.h"
#include "io/address.h"
#include "io/event_loop.h"
#include "io/file.h"
#include "io/owned_fd.h"
#include "io/pending.h"

namespace ringdrop::io {

class Socket {
 public:
  // Takes the descriptor, which may have been accepted on another loop.
  Socket(EventLoop& loop, OwnedFd fd) : loop_(loop), fd_(std::move(fd)) {}
  Socket(Socket&&) = default;

  // One to into.size() bytes; 0: the peer has ended its half. closed, timed_out, cancelled.
  Pending<std::size_t> receive_some(MutableBytes into, TimePoint deadline, const std::stop_token& stop);
  // The same, cheaper when nothing is there yet and dearer when something is.
  Pending<std::size_t> receive_later(MutableBytes into, TimePoint deadline, const std::stop_token& stop);
  // All of `into`; fewer bytes when the peer ended, the deadline passed or a stop came after some had arrived (0: ended
  // before any). timed_out and cancelled only when none had arrived.
  Pending<std::size_t> receive_all(MutableBytes into, TimePoint deadline, const std::stop_token& stop);
  // All of `first`, then all of `second`, in one call to the kernel; fewer bytes when the deadline or a stop cut it.
  Pending<std::size_t> send_all(Bytes first, Bytes second, TimePoint deadline, const std::stop_token& stop);
  // A receive (a send) would not wait, or would fail at once. Pins no buffer.
  Pending<void> wait_readable(TimePoint deadline, const std::stop_token& stop);
  Pending<void> wait_writable(TimePoint deadline, const std::stop_token& stop);
  // All of `head`, then `bytes` bytes at `offset` of `file`, which are in its in_memory(): as much as leaves without
  // waiting for the peer. Immediate. closed, system: the connection is lost.
  Result<SentNow> send_file_now(Bytes head, const File& file, uint64_t offset, std::size_t bytes) {
    set_waits(false);
    return loop_.ring().send_file(fd_.get(), head, file.fd_.get(), offset, bytes);
  }
  // What was sent and the peer has not acknowledged (tcp(7), SIOCOUTQ); 0 when it cannot be told. closed: it never
  // will.
  Result<uint64_t> unacknowledged_bytes() const { return loop_.ring().unacknowledged_bytes(fd_.get()); }
  // A send waits for the one before it to leave, see Ring: a peer who is slow finds no old messages in between.
  void limit_unsent() { loop_.ring().limit_unsent(fd_.get()); }
  // Segments leave full, see Ring: as long as more is to follow. What is held back is less than a segment.
  void cork(bool on) { loop_.ring().cork(fd_.get(), on); }
  // Tells the peer that nothing more comes; its bytes can still be received.
  Pending<void> shutdown_write();

 private:
  // Whether calls may wait in the kernel, see Ring. Changed only when it has to be: one who asks for one file after the
  // other is sent them without a call for it.
  void set_waits(bool waits) {
    if (std::exchange(waits_, waits) != waits) loop_.ring().set_waits(fd_.get(), waits);
  }

  EventLoop& loop_;
  OwnedFd fd_;
  bool waits_ = true;
};

class Listener {
 public:
  Listener(EventLoop& loop, OwnedFd fd) : loop_(loop), fd_(std::move(fd)) {}
  Listener(Listener&&) = default;

  // The next connection; `peer` is filled. exhausted: no descriptor was free, wait before the next call.
  Pending<OwnedFd> accept(Address& peer, TimePoint deadline, const std::stop_token& stop);
  Address address() const { return loop_.ring().local_address(fd_.get()); }

 private:
  EventLoop& loop_;
  OwnedFd fd_;
};

// system: errno of bind or listen.
Result<Listener> listen(EventLoop& loop, const Address& address);

}  // namespace ringdrop::io
