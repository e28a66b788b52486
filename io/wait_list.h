// Coroutines of one loop that wait for a condition of that loop: first in, first out. The waker says that something may
// have changed; the woken looks again.
#pragma once

#include <coroutine>
#include <cstddef>
#include <optional>
#include <stop_token>

#include "io/clock.h"
#include "io/error.h"
#include "io/event_loop.h"
#include "io/timer.h"

namespace ringdrop::io {

class WaitList {
 public:
  // `what`: a string literal, what the loop is busy with when one of them goes on (LoopHealth).
  WaitList(EventLoop& loop, const char* what) : loop_(loop), what_(what) {}
  ~WaitList();  // nobody waits any more
  WaitList(const WaitList&) = delete;
  WaitList& operator=(const WaitList&) = delete;

  class Waiter;
  // Suspends until woken. timed_out, cancelled. `stop` lives until the wait is over.
  Waiter wait(TimePoint deadline, const std::stop_token& stop);
  Waiter wait();  // for as long as it takes

  void wake_one();
  void wake_all();
  std::size_t size() const { return size_; }

 private:
  void append(Waiter& waiter);
  void unlink(Waiter& waiter);

  EventLoop& loop_;
  const char* what_;
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
  std::size_t size_ = 0;
};

class [[nodiscard]] WaitList::Waiter final : private Timer {
 public:
  Waiter(WaitList& list, TimePoint deadline, const std::stop_token* stop)
      : list_(list), deadline_(deadline), stop_(stop) {}

  bool await_ready();
  void await_suspend(std::coroutine_handle<> coroutine);
  Result<> await_resume();

 private:
  friend class WaitList;
  struct Stop {
    Waiter* waiter;
    void operator()() const noexcept { waiter->finish(Errc::cancelled); }
  };

  void fire() noexcept override { finish(Errc::timed_out); }
  void finish(std::optional<Errc> why) noexcept;

  WaitList& list_;
  TimePoint deadline_;
  const std::stop_token* stop_;
  std::optional<std::stop_callback<Stop>> on_stop_;
  std::coroutine_handle<> coroutine_;
  std::optional<Errc> failure_;
  bool linked_ = false;
  Waiter* next_ = nullptr;
  Waiter* previous_ = nullptr;
};

}  // namespace ringdrop::io
