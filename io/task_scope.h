// The home of spawned tasks: whoever spawns joins. A scope is the last member of its owner, so that no child outlives
// what it uses. request_stop() asks the children to end; join() waits until they have.
#pragma once

#include <cstddef>
#include <stop_token>

#include "io/event_loop.h"
#include "io/task.h"
#include "io/wait_list.h"

namespace ringdrop::io {

class TaskScope {
 public:
  explicit TaskScope(EventLoop& loop) : loop_(loop), emptied_(loop, "what has waited for its tasks to end") {}
  ~TaskScope();  // joined before
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;

  // Starts the task at once; it runs until it first waits. An exception that leaves it is a bug: logged, and that task
  // alone ends.
  void spawn(Task<> task);

  // On the loop's thread. Callbacks run inside, resumptions later.
  void request_stop() { stop_.request_stop(); }
  std::stop_token stop_token() const { return stop_.get_token(); }

  // Suspends until no child is left. Does not ask them to stop.
  Task<> join();
  std::size_t size() const { return children_; }

 private:
  struct Child;
  Child run(Task<> task);

  EventLoop& loop_;
  std::stop_source stop_;
  std::size_t children_ = 0;
  WaitList emptied_;
};

}  // namespace ringdrop::io
