// One loop: timers, work posted from elsewhere, coroutines that are ready, and a Ring. It owns no thread: main lends it
// one and calls run(); the simulated world calls turn(). Everything but post() and stop() belongs to that one thread.
#pragma once

#include <atomic>
#include <coroutine>
#include <functional>
#include <mutex>
#include <vector>

#include "io/busy_time.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/ring.h"
#include "io/timer.h"

namespace ringdrop::io {

class EventLoop {
 public:
  // Both outlive the loop.
  EventLoop(Ring& ring, Log& log);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Turns until stop() was called.
  void run();
  // One turn: due timers, posted work, ready coroutines, then the ring, which waits only when nothing is left to do.
  void turn();
  // Any thread.
  void stop();

  // Any thread: runs `work` on the loop, in the order of posting. The one way into another loop. Callers post a bounded
  // number (a connection to adopt, a stop), so the queue has no limit of its own.
  void post(std::move_only_function<void()> work);

  // Resumes the coroutine in the next turn.
  void resume_soon(std::coroutine_handle<> coroutine) { ready_.push_back(coroutine); }

  Ring& ring() { return ring_; }
  Log& log() { return log_; }
  TimerHeap& timers() { return timers_; }
  TimePoint now() { return ring_.now(); }
  EpochMs epoch_ms() { return ring_.epoch_ms(); }
  const BusyTime& busy_time() const { return busy_time_; }

 private:
  void run_posted();

  Ring& ring_;
  Log& log_;
  TimerHeap timers_;
  BusyTime busy_time_;
  TimePoint woke_;
  std::vector<std::coroutine_handle<>> ready_;
  std::vector<std::coroutine_handle<>> resuming_;
  std::atomic<bool> stopping_{false};
  std::mutex posted_mutex_;
  std::vector<std::move_only_function<void()>> posted_;
};

}  // namespace ringdrop::io
