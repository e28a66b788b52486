// One loop: timers, work posted from elsewhere, coroutines that are ready, and a Ring. It owns no thread: main lends it
// one and calls run(); the simulated world calls turn(). Everything but post() and stop() belongs to that one thread.
#pragma once

#include <atomic>
#include <coroutine>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "io/clock.h"
#include "io/log.h"
#include "io/loop_health.h"
#include "io/ring.h"
#include "io/timer.h"
#include "io/unwatched.h"

namespace ringdrop::io {

class EventLoop;

// co_await loop.next_turn(): for work that would not wait by itself, so that the others have their turn.
class [[nodiscard]] NextTurn {
 public:
  explicit NextTurn(EventLoop& loop) : loop_(loop) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine);
  void await_resume() const noexcept {}

 private:
  EventLoop& loop_;
};

class EventLoop {
 public:
  // Both outlive the loop.
  EventLoop(Ring& ring, Log& log);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Turns until stop() was called.
  void run();
  // One turn: due timers, posted work, ready coroutines as far as there is time, then the ring, which waits only when
  // nothing is left to do.
  void turn();
  // Any thread.
  void stop();

  // Any thread: runs `work` on the loop, in the order of posting. The one way into another loop. Callers post a bounded
  // number (a connection to adopt, a stop), so the queue has no limit of its own.
  void post(std::move_only_function<void()> work);

  // Resumes the coroutine after those that are ready already, in a later turn: the next one, if that has time for all.
  // `what`: a string literal, as for begin_step().
  void resume_soon(std::coroutine_handle<> coroutine, const char* what) { ready_.push_back({coroutine, what}); }
  NextTurn next_turn() { return NextTurn(*this); }

  Ring& ring() { return ring_; }
  Log& log() { return log_; }
  TimerHeap& timers() { return timers_; }
  UnwatchedList& unwatched() { return unwatched_; }
  // Within a turn: when the step began that is being taken, for reading the clock costs more than most steps.
  TimePoint now() { return in_turn_ ? now_ : ring_.now(); }
  // Within a turn: when it was first asked for since the loop has waited, or since the turn began.
  EpochMs epoch_ms();
  // Of any thread: what it tells. Of the loop's: the rest.
  LoopHealth& health() { return health_; }
  // What the loop is busy with from now on, a string literal: one who completes says it.
  void begin_step(const char* what);

 private:
  struct Ready {
    std::coroutine_handle<> coroutine;
    const char* what;
  };

  void run_posted();
  void give_way();
  void resume_some();

  Ring& ring_;
  Log& log_;
  TimerHeap timers_;
  UnwatchedList unwatched_;
  LoopHealth health_;
  TimePoint now_{};
  TimePoint gave_way_{};
  bool in_turn_ = false;
  bool has_turned_ = false;
  std::vector<Ready> ready_;
  std::vector<Ready> resuming_;
  std::optional<EpochMs> epoch_ms_;  // since the last wait
  std::atomic<bool> stopping_{false};
  std::mutex posted_mutex_;
  std::vector<std::move_only_function<void()>> posted_;
};

inline void NextTurn::await_suspend(std::coroutine_handle<> coroutine) {
  loop_.resume_soon(coroutine, "what has let others have their turn");
}

}  // namespace ringdrop::io
