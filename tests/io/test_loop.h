// A real loop on the test's own thread, as tests/support/loop_fixture.h has it, for tests that make many rings and
// whose coroutines may end anywhere in a turn, also before the ring waits.
#pragma once

#include <poll.h>

#include <memory>
#include <utility>

#include "tests/support/loop_fixture.h"

namespace ringdrop::test {

// The memory of a ring and of its registered buffers counts against the user's RLIMIT_MEMLOCK, and the kernel gives it
// back some time after the ring has gone: one user's test of many rings has to wait for it now and then. There is
// nothing to be awaited, so this pauses, and tries few times: a refused ring costs kernel memory as well, given back as
// late.
inline std::unique_ptr<io::UringRing> make_ring_patiently(io::WorkerLane& blocking) {
  constexpr int kTries = 100;
  constexpr int kPauseMs = 20;
  io::Result<std::unique_ptr<io::UringRing>> ring = io::UringRing::create(blocking, io::lockable_bytes());
  for (int i = 0; i < kTries && !ring && ring.error().code == io::Errc::exhausted; ++i) {
    poll(nullptr, 0, kPauseMs);
    ring = io::UringRing::create(blocking, io::lockable_bytes());
  }
  REQUIRE_MESSAGE(ring.has_value(), "io_uring is needed to run this test");
  return *std::move(ring);
}

class TestLoop {
 public:
  TestLoop() : ring_(make_ring_patiently(blocking_)), loop_(*ring_, log_) {}

  io::EventLoop& loop() { return loop_; }
  io::Ring& ring() { return *ring_; }

  // Turns the loop until the task has ended; its value. What it throws is thrown here.
  template <class T>
  T run(io::Task<T> task) {
    return test::run(loop_, and_wake(std::move(task)));
  }
  // Turns until nobody is left in the scope.
  void drain(io::TaskScope& scope) { run(scope.join()); }
  // One turn that takes what is there and does not wait.
  void turn_at_once() {
    ring().wake();
    loop().turn();
  }

 private:
  struct Waker {
    io::Ring& ring;
    ~Waker() { ring.wake(); }
  };

  // The end wakes the ring, so that the last turn does not wait for an event that will not come.
  template <class T>
  io::Task<T> and_wake(io::Task<T> task) {
    const Waker waker{ring()};
    co_return co_await std::move(task);
  }

  io::Log log_{io::Log::Level::off};
  io::WorkerLane blocking_{"blocking", 1, 64};
  std::unique_ptr<io::UringRing> ring_;
  io::EventLoop loop_;
};

}  // namespace ringdrop::test
