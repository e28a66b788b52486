// Task<T>: a coroutine that starts when it is awaited and gives its value to the one that awaits it.
//
// A Task is awaited once, or spawned in a TaskScope; one that is neither never runs. Dropping a Task that waits for an
// operation is a bug: scopes exist so that it does not happen.
//
// No symmetric transfer: GCC 12 does not make it a tail call below -O2 or under ASan, and a loop of a million awaits
// that finish at once overflows the stack. await_suspend returns bool instead: a child that finished at once never
// suspends its parent, so the depth of the stack is the depth of the call chain.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "io/frame_memory.h"

namespace ringdrop::io {

template <class T = void>
class Task;

namespace detail {

class TaskPromiseBase {
 public:
  // Of the frame.
  static void* operator new(std::size_t bytes) { return take_frame(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { give_back_frame(frame, bytes); }

  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> finished) const noexcept {
      // The parent may destroy this frame while it runs: nothing of it is touched after resume().
      TaskPromiseBase& promise = finished.promise();
      promise.finished_ = true;
      if (promise.parent_waits_) promise.parent_.resume();
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { exception_ = std::current_exception(); }

  // Runs the child until it waits or ends; true when the parent has to wait for it.
  bool start(std::coroutine_handle<> child, std::coroutine_handle<> parent) {
    parent_ = parent;
    child.resume();
    if (finished_) return false;
    parent_waits_ = true;
    return true;
  }

  void rethrow_if_failed() {
    if (exception_) std::rethrow_exception(std::exchange(exception_, nullptr));
  }

 private:
  std::coroutine_handle<> parent_;
  std::exception_ptr exception_;
  bool finished_ = false;
  bool parent_waits_ = false;
};

template <class T>
class TaskPromise final : public TaskPromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  template <class U>
    requires std::is_constructible_v<T, U&&>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T take() {
    rethrow_if_failed();
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class TaskPromise<void> final : public TaskPromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() { rethrow_if_failed(); }
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;

  Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (coroutine_) coroutine_.destroy();
  }

  class Awaiter {
   public:
    explicit Awaiter(std::coroutine_handle<promise_type> child) : child_(child) {}
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> parent) { return child_.promise().start(child_, parent); }
    T await_resume() { return child_.promise().take(); }

   private:
    std::coroutine_handle<promise_type> child_;
  };

  Awaiter operator co_await() && {
    CHECK_THAT(coroutine_);
    return Awaiter(coroutine_);
  }

 private:
  friend promise_type;
  explicit Task(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}

  std::coroutine_handle<promise_type> coroutine_;
};

namespace detail {

template <class T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

inline Task<void> TaskPromise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

}  // namespace detail
}  // namespace ringdrop::io
