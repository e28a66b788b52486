#include "io/task_scope.h"

#include <fmt/format.h>

#include <exception>
#include <utility>

#include "base/check.h"

namespace ringdrop::io {

// A coroutine that owns itself: it starts at once and frees its frame at its end.
struct TaskScope::Child {
  struct promise_type {
    Child get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }  // run() catches all
  };
};

TaskScope::~TaskScope() {
  CHECK_THAT(children_ == 0);
}

TaskScope::Child TaskScope::run(Task<> task) {
  try {
    co_await std::move(task);
  } catch (const std::exception& bug) {
    loop_.log().error(fmt::format("a task ended by an exception: {}", bug.what()));
  }
  if (--children_ == 0) emptied_.wake_all();
}

void TaskScope::spawn(Task<> task) {
  ++children_;
  run(std::move(task));
}

Task<> TaskScope::join() {
  while (children_ > 0) static_cast<void>(co_await emptied_.wait());
}

}  // namespace ringdrop::io
