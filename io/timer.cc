#include "io/timer.h"

#include <utility>

#include "base/check.h"

namespace ringdrop::io {

Timer::~Timer() {
  if (heap_) heap_->disarm(*this);
}

void TimerHeap::place(std::size_t index, Timer* timer) {
  heap_[index] = timer;
  timer->index_ = index;
}

void TimerHeap::sift_up(std::size_t index) {
  Timer* const timer = heap_[index];
  while (index > 0) {
    const std::size_t parent = (index - 1) / 2;
    if (heap_[parent]->due_ <= timer->due_) break;
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, timer);
}

void TimerHeap::sift_down(std::size_t index) {
  Timer* const timer = heap_[index];
  for (;;) {
    std::size_t child = 2 * index + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->due_ < heap_[child]->due_) ++child;
    if (timer->due_ <= heap_[child]->due_) break;
    place(index, heap_[child]);
    index = child;
  }
  place(index, timer);
}

void TimerHeap::arm(Timer& timer, TimePoint due) {
  CHECK_THAT(timer.heap_ == nullptr);
  timer.heap_ = this;
  timer.due_ = due;
  heap_.push_back(&timer);
  timer.index_ = heap_.size() - 1;
  sift_up(timer.index_);
}

void TimerHeap::disarm(Timer& timer) {
  if (timer.heap_ == nullptr) return;
  CHECK_THAT(timer.heap_ == this);
  timer.heap_ = nullptr;
  const std::size_t index = timer.index_;
  Timer* const last = heap_.back();
  heap_.pop_back();
  if (last == &timer) return;
  place(index, last);
  sift_up(index);
  sift_down(last->index_);
}

void TimerHeap::fire_due(TimePoint now) {
  while (!heap_.empty() && heap_.front()->due_ <= now) {
    Timer& timer = *heap_.front();
    disarm(timer);
    timer.fire();
  }
}

}  // namespace ringdrop::io
