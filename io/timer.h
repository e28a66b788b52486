// Timers of one loop: an intrusive binary heap; the next deadline is the ring's wait limit.
#pragma once

#include <cstddef>
#include <vector>

#include "io/clock.h"

namespace ringdrop::io {

class TimerHeap;

// Armed at most once at a time; disarms itself when it goes.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Called once by TimerHeap::fire_due, already disarmed.
  virtual void fire() noexcept = 0;

 protected:
  ~Timer();

 private:
  friend class TimerHeap;
  TimerHeap* heap_ = nullptr;
  std::size_t index_ = 0;  // place in the heap
  TimePoint due_{};
};

class TimerHeap {
 public:
  TimerHeap() = default;
  TimerHeap(const TimerHeap&) = delete;
  TimerHeap& operator=(const TimerHeap&) = delete;

  void arm(Timer& timer, TimePoint due);
  void disarm(Timer& timer);  // no effect when it is not armed
  // Fires all that are due at `now`, those armed meanwhile for <= now too.
  void fire_due(TimePoint now);
  TimePoint next() const { return heap_.empty() ? kNever : heap_.front()->due_; }
  std::size_t size() const { return heap_.size(); }

 private:
  void place(std::size_t index, Timer* timer);
  void sift_up(std::size_t index);
  void sift_down(std::size_t index);

  std::vector<Timer*> heap_;
};

}  // namespace ringdrop::io
