// Whether the machine itself stands still: its host may stop all CPUs at once, and need not tell of it as steal. Who
// then waits does not wait for a server.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <thread>
#include <vector>

namespace load {

// In nanoseconds, of one clock.
struct Interval {
  int64_t begin = 0;
  int64_t end = 0;
};

// How long it was in an interval of every list. Those of one list ascend and do not overlap. 0 without a list.
int64_t time_in_all(std::span<const std::vector<Interval>> lists);

// From the beginning of its life to stop(). On each CPU a thread of a class that all others of it give way to
// (sched(7), SCHED_FIFO) wakes up again and again: what all of them oversleep at once is hardly a program's doing.
class StoppedCpus {
 public:
  StoppedCpus();
  ~StoppedCpus() { static_cast<void>(stop()); }
  StoppedCpus(const StoppedCpus&) = delete;
  StoppedCpus& operator=(const StoppedCpus&) = delete;

  // Nanoseconds in which no CPU of this process ran, as far as they were more than a few milliseconds at a time, and
  // each time up to 4 ms fewer than there were; nullopt: it may not have such threads.
  std::optional<int64_t> stop();

 private:
  void watch(std::size_t cpu, std::vector<Interval>& overslept);

  std::vector<std::vector<Interval>> overslept_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> refused_{false};
};

}  // namespace load
