// Pending<T>: an operation of the ring as something to co_await. It holds the operation itself, so that an I/O call
// allocates nothing. Deadline and stop ask the ring to cancel; the coroutine goes on only when the completion has come,
// since until then the kernel owns the memory.
#pragma once

#include <cerrno>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <type_traits>

#include "io/clock.h"
#include "io/error.h"
#include "io/event_loop.h"
#include "io/operation.h"
#include "io/owned_fd.h"
#include "io/timer.h"
#include "io/unwatched.h"

namespace ringdrop::io {

// The part that does not depend on the value.
class PendingBase : private Operation, private Timer, private Unwatched {
 public:
  bool await_ready();
  void await_suspend(std::coroutine_handle<> coroutine);

 protected:
  PendingBase(EventLoop& loop, const char* name, const Request& what, TimePoint deadline, const std::stop_token* stop)
      : Operation(what), loop_(loop), name_(name), deadline_(deadline), stop_(stop) {}
  ~PendingBase() = default;

  // The completion's value, or why there is none. A partial count of a cancelled transfer is a value.
  Result<int32_t> finish();
  EventLoop& loop_;

 private:
  struct Stop {
    PendingBase* pending;
    void operator()() const noexcept { pending->cancel(Errc::cancelled); }
  };

  void complete(int32_t result) noexcept override;
  void fire() noexcept override;
  void watch() noexcept override;
  void cancel(Errc why) noexcept;
  void ask_to_cancel() noexcept;

  const char* name_;
  TimePoint deadline_;
  const std::stop_token* stop_;
  std::optional<std::stop_callback<Stop>> on_stop_;
  std::coroutine_handle<> coroutine_;
  bool is_unwatched_ = false;
  int32_t result_ = -ECANCELED;
  std::optional<Errc> cancelled_because_;
};

// T: std::size_t for a byte count, OwnedFd for a descriptor, void when only success counts.
template <class T>
class [[nodiscard]] Pending final : public PendingBase {
 public:
  // `stop`, when given, lives until the operation is over.
  Pending(EventLoop& loop, const char* name, const Request& what, TimePoint deadline = kNever,
          const std::stop_token* stop = nullptr)
      : PendingBase(loop, name, what, deadline, stop) {}

  Result<T> await_resume() {
    const Result<int32_t> result = finish();
    if (!result) return std::unexpected(result.error());
    if constexpr (std::is_same_v<T, OwnedFd>) {
      return OwnedFd(loop_.ring(), *result);
    } else if constexpr (std::is_void_v<T>) {
      return {};
    } else {
      return static_cast<T>(*result);
    }
  }
};

}  // namespace ringdrop::io
