// A real loop on the test's own thread, and a way to call a coroutine from a plain test:
//
//   LoopFixture fixture;
//   const auto link = fixture.run(catalogue.find(fixture.loop(), token));
//
// Not for tests that need virtual time or failures: those have the simulated world (tests/sim).
#pragma once

#include <doctest/doctest.h>

#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "io/event_loop.h"
#include "io/log.h"
#include "io/process_limits.h"
#include "io/task.h"
#include "io/task_scope.h"
#include "io/uring_ring.h"
#include "io/worker.h"

namespace ringdrop::test {

// Turns the loop until nobody is left in the scope.
inline void drain(io::EventLoop& loop, io::TaskScope& scope) {
  while (scope.size() > 0) loop.turn();
}

namespace detail {

template <class T>
using Kept = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

// Brings value and exception out of the scope; a failed REQUIRE inside a coroutine is one.
template <class T>
io::Task<> keep(io::Task<T> task, std::optional<Kept<T>>& value, std::exception_ptr& exception) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(task);
      value.emplace();
    } else {
      T result = co_await std::move(task);
      value.emplace(std::move(result));
    }
  } catch (...) {
    exception = std::current_exception();
  }
}

}  // namespace detail

// Turns the loop until the task has ended; its value. What it throws is thrown here. Other tasks of
// the loop go on meanwhile. Works with any loop that is turned by this thread, a simulated one too.
template <class T>
T run(io::EventLoop& loop, io::Task<T> task) {
  std::optional<detail::Kept<T>> value;
  std::exception_ptr exception;
  io::TaskScope scope(loop);
  scope.spawn(detail::keep(std::move(task), value, exception));
  drain(loop, scope);
  if (exception) std::rethrow_exception(exception);
  if constexpr (!std::is_void_v<T>) return std::move(*value);
}

// One loop over io_uring with a silent log. Belongs to the thread that makes it; a test with several
// loops makes one in each thread. Lanes that report to it end before it.
class LoopFixture {
 public:
  LoopFixture() : ring_(make_ring(blocking_)), loop_(*ring_, log_) {}

  io::EventLoop& loop() { return loop_; }
  io::Ring& ring() { return *ring_; }
  io::Log& log() { return log_; }

  template <class T>
  T run(io::Task<T> task) {
    return test::run(loop_, std::move(task));
  }

 private:
  static std::unique_ptr<io::UringRing> make_ring(io::WorkerLane& blocking) {
    io::Result<std::unique_ptr<io::UringRing>> ring = io::UringRing::create(blocking, io::lockable_bytes());
    REQUIRE_MESSAGE(ring.has_value(), "io_uring is needed to run this test");
    return *std::move(ring);
  }

  io::Log log_{io::Log::Level::off};
  io::WorkerLane blocking_{"blocking", 1, 64};
  std::unique_ptr<io::UringRing> ring_;
  io::EventLoop loop_;
};

}  // namespace ringdrop::test
