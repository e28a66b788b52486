// The one seam to the outside: everything that the program asks of kernel, clock and chance goes through a Ring. Two
// implementations: UringRing (io_uring) and tests/sim's SimRing (a deterministic world).
//
// A ring belongs to one loop and one thread; only wake() and complete_from_thread() may be called from others.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "io/clock.h"
#include "io/error.h"
#include "io/operation.h"

namespace ringdrop::io {

// How far an immediate send went.
struct SentNow {
  std::size_t bytes = 0;  // that have left
  // The peer has to read first. false though not all has left: a file cannot be sent this way.
  bool peer_is_full = false;
};

class Ring {
 public:
  // A wait: until it began the kernel was busy with what it had been handed.
  struct Wait {
    TimePoint began{};
    TimePoint ended{};
  };

  virtual ~Ring() = default;

  // Takes the operation on; its completion comes in a later deliver(), never from inside submit(). The operation and
  // all that its request points to stay alive until then: there is no way to take them back early.
  virtual void submit(Operation& operation) = 0;
  // Asks for an early end. The completion still comes: -ECANCELED, a partial count, or the full result.
  virtual void cancel(Operation& operation) = 0;
  // Gives a descriptor back, without a completion. Cancels nothing: await what is in flight on it first.
  virtual void close(int fd) = 0;

  // Hands over what was submitted, of which the kernel does at once what it can, and then waits for a completion, a
  // wake() or `until`.
  virtual Wait wait(TimePoint until) = 0;
  // Calls complete() of what is done. After each wait().
  virtual void deliver() = 0;
  // Any thread: ends a wait().
  virtual void wake() = 0;
  // Any thread: deliver() will call `completion`.complete(result). How a worker lane reports.
  virtual void complete_from_thread(Completion& completion, int32_t result) = 0;

  // Between a wait() and its deliver(): lets others have the CPU if the thread has had it all the time since the last
  // call. The kernel looks only at its ticks, milliseconds later, for whose turn it is (sched_yield(2)).
  virtual void give_way() {}

  virtual TimePoint now() = 0;
  virtual EpochMs epoch_ms() = 0;
  // What the calling thread has used of a CPU in its life.
  virtual std::chrono::nanoseconds thread_cpu_time() { return {}; }
  // Cryptographically strong random bytes (getrandom).
  virtual void random(MutableBytes out) = 0;

  // A bound and listening socket. Immediate; used at start only. A stale Unix socket file is replaced. system: errno.
  virtual Result<int> listen(const Address& address) = 0;
  // A stream socket of the address's family, not connected yet. Immediate. exhausted, system: errno.
  virtual Result<int> make_socket(const Address& address) = 0;
  // The address a socket is bound to (what port 0 became).
  virtual Address local_address(int fd) = 0;
  // How much of what was sent the peer has not acknowledged (SIOCOUTQ); 0 when the kernel cannot say. closed: the
  // connection is broken, and what it had not acknowledged will never arrive. Immediate.
  virtual Result<uint64_t> unacknowledged_bytes(int fd) = 0;
  // From now on a send waits as long as something that was sent before has not left for the peer: what is sent is news
  // when it arrives, however slowly the peer reads (tcp(7), TCP_NOTSENT_LOWAT). Where there is no such thing, nothing
  // changes. Immediate.
  virtual void limit_unsent(int) {}
  // While `on`, what does not fill a segment waits for what is sent next, for 200 ms at most; off: it leaves. Else each
  // acknowledgement that comes in between sends a segment that is not full (tcp(7), TCP_CORK). Where there is no such
  // thing, nothing changes. Immediate.
  virtual void cork(int, bool /*on*/) {}
  // Whether the page cache has all pages of these bytes of a file, be it that some are still being read: then who sends
  // them waits. nullopt: the kernel does not say (before Linux 6.5), or not to this process. The file is the process's
  // own. Immediate (cachestat(2)).
  virtual std::optional<bool> all_cached(int, uint64_t, std::size_t) { return std::nullopt; }
  // Address space that stands for `bytes` bytes at `offset`, a multiple of the page size, of a file, for
  // in_memory(): nobody ever reads it. nullptr: not to be had. The file may be closed before unmap_pages(). Immediate
  // (mmap(2)).
  virtual void* map_pages(int, uint64_t, std::size_t) { return nullptr; }
  virtual void unmap_pages(void*, std::size_t) {}
  // Whether all these bytes of what was mapped are in the page cache, and up to date. The file is the process's own: of
  // others the kernel says that all is there. Immediate (mincore(2)).
  virtual bool in_memory(const void*, std::size_t, std::size_t) { return false; }
  // Whether a read of the byte at `offset` would not wait: neither for the disk nor for who changes the file. Of what
  // is not in the page cache a read begins. Immediate (preadv2(2), RWF_NOWAIT).
  virtual bool reads_at_once(int, uint64_t) { return false; }
  // Whether calls on this socket may wait in the kernel (else O_NONBLOCK). They may at first. When they may not, a send
  // of two parts can end early: where a worker of the kernel has taken it over, sendmsg(2) looks at the flag, as
  // io_uring's send and receive do not. Immediate.
  virtual void set_waits(int, bool /*waits*/) {}
  // Sends `head`, then `bytes` bytes at `offset` of a file, in_memory(), without copying them: as much as leaves
  // without waiting for the peer. The socket may not wait. closed, system: the connection is lost. Immediate
  // (sendfile(2)).
  virtual Result<SentNow> send_file(int, Bytes, int, uint64_t, std::size_t) { return SentNow{}; }
  // Registers memory as fixed buffer `slot`; false: not possible, go on without. Immediate when the memory is resident
  // (Op::make_resident); else the kernel makes it so here.
  virtual bool register_memory(unsigned slot, MutableBytes memory) = 0;
};

}  // namespace ringdrop::io
