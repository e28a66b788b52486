// Runs a coroutine of the test on a loop of the simulated world, to its end.
#pragma once

#include <optional>
#include <utility>

#include "base/check.h"
#include "io/task_scope.h"
#include "tests/sim/world.h"

namespace ringdrop::sim {

namespace detail {

template <class T>
io::Task<> keep(io::Task<T> task, std::optional<T>& value) {
  value.emplace(co_await std::move(task));
}

inline io::Task<> mark(io::Task<> task, bool& done) {
  co_await std::move(task);
  done = true;
}

}  // namespace detail

// The task's value. The world standing still before is a failure of the test: CHECK.
template <class T>
T run_task(World& world, io::EventLoop& loop, io::Task<T> task) {
  std::optional<T> value;
  io::TaskScope scope(loop);
  scope.spawn(detail::keep(std::move(task), value));
  CHECK_THAT(world.run_until([&] { return value.has_value() && scope.size() == 0; }));
  return std::move(*value);
}

inline void run_task(World& world, io::EventLoop& loop, io::Task<> task) {
  bool done = false;
  io::TaskScope scope(loop);
  scope.spawn(detail::mark(std::move(task), done));
  CHECK_THAT(world.run_until([&] { return done && scope.size() == 0; }));
}

}  // namespace ringdrop::sim
