#include "io/pending.h"

namespace ringdrop::io {

bool PendingBase::await_ready() {
  if (!stop_ || !stop_->stop_requested()) return false;
  cancelled_because_ = Errc::cancelled;
  return true;
}

void PendingBase::await_suspend(std::coroutine_handle<> coroutine) {
  coroutine_ = coroutine;
  loop_.ring().submit(*this);
  is_unwatched_ = request.prompt;
  if (is_unwatched_) {
    loop_.unwatched().add(*this);
  } else {
    watch();
  }
}

// From now on deadline and stop cancel it.
void PendingBase::watch() noexcept {
  is_unwatched_ = false;
  if (deadline_ != kNever) loop_.timers().arm(*this, deadline_);
  if (stop_ && stop_->stop_possible()) on_stop_.emplace(*stop_, Stop{this});
}

// A request to cancel can be lost: a receive that waits for all of its bytes (MSG_WAITALL) and is taking some at that
// moment arms its poll again afterwards. So it is repeated until the completion has come.
void PendingBase::cancel(Errc why) noexcept {
  if (cancelled_because_) return;
  cancelled_because_ = why;
  loop_.timers().disarm(*this);
  ask_to_cancel();
}

void PendingBase::ask_to_cancel() noexcept {
  constexpr Milliseconds kAskAgain{10};
  loop_.ring().cancel(*this);
  loop_.timers().arm(*this, loop_.now() + kAskAgain);
}

void PendingBase::fire() noexcept {
  if (cancelled_because_) {
    ask_to_cancel();
  } else {
    cancel(Errc::timed_out);
  }
}

void PendingBase::complete(int32_t result) noexcept {
  if (result == -EINTR && !cancelled_because_) {
    loop_.ring().submit(*this);
    return;
  }
  result_ = result;
  if (is_unwatched_) loop_.unwatched().remove(*this);
  loop_.timers().disarm(*this);
  on_stop_.reset();
  loop_.begin_step(name_);
  coroutine_.resume();
}

Result<int32_t> PendingBase::finish() {
  if (result_ >= 0) return result_;
  const bool gave_up = result_ == -ECANCELED || result_ == -EINTR;
  if (gave_up && cancelled_because_) return fail(*cancelled_because_, name_);
  return std::unexpected(error_from_errno(-result_, name_));
}

}  // namespace ringdrop::io
