#include "io/event_loop.h"

#include <utility>

namespace ringdrop::io {
namespace {

// How long a turn goes on resuming coroutines that were ready when it began; the rest, in its order, are the next
// turn's. So what has come meanwhile on other connections does not wait for all of them.
constexpr std::chrono::microseconds kMostResuming{100};
// After how long on its CPU the thread lets others have it, among them its own clients and its own workers. Asked once
// a turn, between a wait and its completions: a turn that is longer is not cut short for it.
constexpr std::chrono::microseconds kMostOnCpu{200};

}  // namespace

EventLoop::EventLoop(Ring& ring, Log& log) : ring_(ring), log_(log) {}

EventLoop::~EventLoop() {
  // Whoever called post() or stop() last has left.
  const std::lock_guard lock(posted_mutex_);
}

void EventLoop::run() {
  while (!stopping_.load(std::memory_order_acquire)) turn();
}

void EventLoop::turn() {
  in_turn_ = true;
  epoch_ms_.reset();
  if (!std::exchange(has_turned_, true)) static_cast<void>(health_.begin_turn(ring_.now()));
  begin_step("timers");
  timers_.fire_due(now_);
  run_posted();
  // What becomes ready now waits for the next turn: a chatty coroutine cannot keep the ring from turning.
  resuming_.swap(ready_);
  const std::size_t ready = resuming_.size();
  resume_some();
  begin_step("what was submitted");
  unwatched_.begin_turn();
  const Ring::Wait wait = ring_.wait(ready_.empty() && unwatched_.empty() ? timers_.next() : now_);
  if (health_.end_turn(wait.began, ready)) log_.warn(health_.complaint(ring_.thread_cpu_time()));
  now_ = wait.ended;
  if (health_.begin_turn(now_)) health_.note_cpu_time(ring_.thread_cpu_time());
  if (now_ - gave_way_ >= kMostOnCpu) give_way();
  epoch_ms_.reset();  // it may have slept
  ring_.deliver();
  unwatched_.watch_late();
  in_turn_ = false;
}

// A step of the turn: what the wait has brought is kept waiting by it as by any other.
void EventLoop::give_way() {
  health_.begin_step("others on its CPU", now_);
  ring_.give_way();
  gave_way_ = now_ = ring_.now();
}

void EventLoop::resume_some() {
  const TimePoint enough = now_ + kMostResuming;
  std::size_t resumed = 0;
  while (resumed < resuming_.size()) {
    begin_step(resuming_[resumed].what);
    if (resumed > 0 && now_ >= enough) break;
    resuming_[resumed++].coroutine.resume();
  }
  ready_.insert(ready_.begin(), resuming_.begin() + static_cast<std::ptrdiff_t>(resumed), resuming_.end());
  resuming_.clear();
}

EpochMs EventLoop::epoch_ms() {
  if (!in_turn_) return ring_.epoch_ms();
  if (!epoch_ms_) epoch_ms_ = ring_.epoch_ms();
  return *epoch_ms_;
}

void EventLoop::begin_step(const char* what) {
  now_ = ring_.now();
  health_.begin_step(what, now_);
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
  for (auto& item : work) {
    begin_step("posted work");
    item();
  }
}

}  // namespace ringdrop::io
