#include "io/wait_list.h"

#include "base/check.h"

namespace ringdrop::io {

WaitList::~WaitList() {
  CHECK_THAT(first_ == nullptr);
}

WaitList::Waiter WaitList::wait(TimePoint deadline, const std::stop_token& stop) {
  return Waiter(*this, deadline, &stop);
}

WaitList::Waiter WaitList::wait() {
  return Waiter(*this, kNever, nullptr);
}

void WaitList::append(Waiter& waiter) {
  waiter.linked_ = true;
  waiter.previous_ = last_;
  (last_ ? last_->next_ : first_) = &waiter;
  last_ = &waiter;
  ++size_;
}

void WaitList::unlink(Waiter& waiter) {
  (waiter.previous_ ? waiter.previous_->next_ : first_) = waiter.next_;
  (waiter.next_ ? waiter.next_->previous_ : last_) = waiter.previous_;
  waiter.linked_ = false;
  --size_;
}

void WaitList::wake_one() {
  if (first_) first_->finish(std::nullopt);
}

void WaitList::wake_all() {
  while (first_) first_->finish(std::nullopt);
}

bool WaitList::Waiter::await_ready() {
  if (stop_ && stop_->stop_requested()) failure_ = Errc::cancelled;
  return failure_.has_value();
}

void WaitList::Waiter::await_suspend(std::coroutine_handle<> coroutine) {
  coroutine_ = coroutine;
  list_.append(*this);
  if (deadline_ != kNever) list_.loop_.timers().arm(*this, deadline_);
  if (stop_ && stop_->stop_possible()) on_stop_.emplace(*stop_, Stop{this});
}

// Resumes through the loop's ready list: the waker goes on undisturbed, and a stop callback is never destroyed by the
// coroutine that it resumes.
void WaitList::Waiter::finish(std::optional<Errc> why) noexcept {
  if (!linked_) return;
  failure_ = why;
  list_.unlink(*this);
  list_.loop_.timers().disarm(*this);
  list_.loop_.resume_soon(coroutine_, list_.what_);
}

Result<> WaitList::Waiter::await_resume() {
  on_stop_.reset();
  if (failure_) return fail(*failure_, "wait");
  return {};
}

}  // namespace ringdrop::io
