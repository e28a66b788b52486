#include "tests/bench/load/stopped_cpus.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace load {
namespace {

constexpr int64_t kPeriod = 4'000'000;
constexpr int64_t kLate = 3'000'000;  // less is an interrupt

int64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void sleep_until(int64_t when) {
  const timespec time{.tv_sec = when / 1'000'000'000, .tv_nsec = when % 1'000'000'000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) != 0) continue;
}

std::vector<std::size_t> cpus_of_this_process() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<std::size_t> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

bool be_first_on(std::size_t cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  const sched_param first{.sched_priority = 1};
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0 &&
         pthread_setschedparam(pthread_self(), SCHED_FIFO, &first) == 0;
}

}  // namespace

int64_t time_in_all(std::span<const std::vector<Interval>> lists) {
  if (lists.empty()) return 0;
  std::vector<Interval> common = lists.front();
  for (const std::vector<Interval>& list : lists.subspan(1)) {
    std::vector<Interval> both;
    for (std::size_t i = 0, j = 0; i < common.size() && j < list.size();) {
      const Interval part{std::max(common[i].begin, list[j].begin), std::min(common[i].end, list[j].end)};
      if (part.begin < part.end) both.push_back(part);
      if (common[i].end < list[j].end) {
        ++i;
      } else {
        ++j;
      }
    }
    common = std::move(both);
  }
  int64_t time = 0;
  for (const Interval& interval : common) time += interval.end - interval.begin;
  return time;
}

StoppedCpus::StoppedCpus() {
  const std::vector<std::size_t> cpus = cpus_of_this_process();
  overslept_.resize(cpus.size());
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    threads_.emplace_back([this, i, cpu = cpus[i]] { watch(cpu, overslept_[i]); });
  }
}

void StoppedCpus::watch(std::size_t cpu, std::vector<Interval>& overslept) {
  if (!be_first_on(cpu)) refused_ = true;
  for (int64_t due = now() + kPeriod; !refused_ && !stopping_;) {
    sleep_until(due);
    const int64_t woke = now();
    if (woke - due > kLate) overslept.push_back({due, woke});
    due = woke + kPeriod;
  }
}

std::optional<int64_t> StoppedCpus::stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  if (refused_) return std::nullopt;
  return time_in_all(overslept_);
}

}  // namespace load
