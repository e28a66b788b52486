// Runs a task on another loop and gives its value back on this one: how the server opens, drains and closes what
// belongs to other loops. Structured: the caller waits.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "io/event_loop.h"
#include "io/task.h"

namespace ringdrop::io {

template <class T>
class [[nodiscard]] OnLoop {
 public:
  // `task` has not started; all that it refers to outlives the wait.
  OnLoop(EventLoop& home, EventLoop& other, Task<T> task) : home_(home), other_(other), task_(std::move(task)) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    other_.post([this] { run(this); });
  }
  T await_resume() { return std::move(*value_); }

 private:
  struct Runner {
    struct promise_type {
      Runner get_return_object() const noexcept { return {}; }
      std::suspend_never initial_suspend() const noexcept { return {}; }
      std::suspend_never final_suspend() const noexcept { return {}; }
      void return_void() const noexcept {}
      void unhandled_exception() const noexcept { std::terminate(); }
    };
  };

  // A function of `self`, not a member: after the post, this object is the other thread's.
  static Runner run(OnLoop* self) {
    self->value_.emplace(co_await std::move(self->task_));
    EventLoop& home = self->home_;
    const std::coroutine_handle<> waiting = self->waiting_;
    home.post([waiting] { waiting.resume(); });
  }

  EventLoop& home_;
  EventLoop& other_;
  Task<T> task_;
  std::optional<T> value_;
  std::coroutine_handle<> waiting_;
};

// `co_await run_on_loop(here, there, std::move(task))`.
template <class T>
OnLoop<T> run_on_loop(EventLoop& home, EventLoop& other, Task<T> task) {
  return OnLoop<T>(home, other, std::move(task));
}

}  // namespace ringdrop::io
