// Worker lanes: threads for calls that block (SQLite, what has no ring operation) and for work that computes (digests).
// A coroutine hands a Job to a lane and goes on when it has run; the loop never waits.
//
// A lane runs its jobs one after the other or, with several threads, side by side. A lane with a Batch passes all jobs
// that wait to it at once: that is how many finished uploads share one transaction.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "io/error.h"
#include "io/event_loop.h"
#include "io/operation.h"

namespace ringdrop::io {

// Work and its completion. run() is called on a lane's thread, complete() on the loop's.
class Job : public Completion {
 public:
  virtual void run() noexcept = 0;

 protected:
  ~Job() = default;
};

// Runs several jobs as one unit, on the lane's thread. Calls run() of each exactly once.
class Batch {
 public:
  virtual void run_all(std::span<Job* const> jobs) noexcept = 0;

 protected:
  ~Batch() = default;
};

class Lane {
 public:
  virtual ~Lane() = default;
  // Any loop's thread. The job's complete(0) comes in a later turn of `ring`; false: the lane's queue is full and the
  // job was not taken.
  virtual bool enqueue(Job& job, Ring& ring) = 0;
};

// A lane of real threads. The destructor runs what is queued, then joins.
class WorkerLane final : public Lane {
 public:
  // `capacity` jobs may wait; `batch`, when given, outlives the lane.
  WorkerLane(std::string name, unsigned threads, std::size_t capacity, Batch* batch = nullptr);
  ~WorkerLane() override;
  bool enqueue(Job& job, Ring& ring) override;

 private:
  class Threads;
  std::unique_ptr<Threads> threads_;
};

// What run_on() returns: awaits the call of `work` on the lane.
template <class Work>
class [[nodiscard]] OnLane final : private Job {
 public:
  using Value = std::invoke_result_t<Work&>;

  OnLane(EventLoop& loop, Lane& lane, Work work) : loop_(loop), lane_(lane), work_(std::move(work)) {}

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> coroutine) {
    coroutine_ = coroutine;
    return lane_.enqueue(*this, loop_.ring());
  }
  // What `work` returned; exhausted when the lane's queue was full and it never ran.
  Result<Value> await_resume() {
    if (!value_) return fail(Errc::exhausted, "worker");
    return std::move(*value_);
  }

 private:
  void run() noexcept override { value_.emplace(work_()); }
  void complete(int32_t) noexcept override {
    loop_.begin_step("what follows a worker's call");
    coroutine_.resume();
  }

  EventLoop& loop_;
  Lane& lane_;
  Work work_;
  std::coroutine_handle<> coroutine_;
  std::optional<Value> value_;
};

// Calls `work` (which returns a value and does not throw) on a thread of the lane. A lambda that captures by reference
// is fine here: the caller waits.
template <class Work>
OnLane<Work> run_on(EventLoop& loop, Lane& lane, Work work) {
  return OnLane<Work>(loop, lane, std::move(work));
}

}  // namespace ringdrop::io
