#include "io/event_loop.h"

#include <utility>

namespace ringdrop::io {

EventLoop::EventLoop(Ring& ring, Log& log) : ring_(ring), log_(log), woke_(ring.now()) {}

EventLoop::~EventLoop() {
  // Whoever called post() or stop() last has left.
  const std::lock_guard lock(posted_mutex_);
}

void EventLoop::run() {
  while (!stopping_.load(std::memory_order_acquire)) turn();
}

void EventLoop::turn() {
  timers_.fire_due(now());
  run_posted();
  // What becomes ready now waits for the next turn: a chatty coroutine cannot keep the ring from turning.
  resuming_.swap(ready_);
  for (const std::coroutine_handle<> coroutine : resuming_) coroutine.resume();
  resuming_.clear();
  busy_time_.record(woke_, now());
  woke_ = ring_.turn(ready_.empty() ? timers_.next() : now());
}

// Both wake the ring under the lock: what they say may end the loop's life, and its destructor waits for the lock.
void EventLoop::stop() {
  const std::lock_guard lock(posted_mutex_);
  stopping_.store(true, std::memory_order_release);
  ring_.wake();
}

void EventLoop::post(std::move_only_function<void()> work) {
  const std::lock_guard lock(posted_mutex_);
  posted_.push_back(std::move(work));
  ring_.wake();
}

void EventLoop::run_posted() {
  std::vector<std::move_only_function<void()>> work;
  {
    const std::lock_guard lock(posted_mutex_);
    work.swap(posted_);
  }
  for (auto& item : work) item();
}

}  // namespace ringdrop::io
