#include "tests/bench/load/worker.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace load {
namespace {

constexpr Nanoseconds kSecond = 1'000'000'000;
constexpr Nanoseconds kNever = ~Nanoseconds{0};

Nanoseconds clock_now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<Nanoseconds>(time.tv_sec) * kSecond + static_cast<Nanoseconds>(time.tv_nsec);
}

// Who has them gets the CPU soon after it wakes. false: the kernel knows none of a thread's own (before Linux 6.12). A
// realtime policy takes a privilege, and was measured to be no better.
bool ask_for_short_slices() {
  constexpr uint64_t kSliceNs = 100'000;
  // glibc 2.36 has neither the calls nor their struct.
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attributes{};
  attributes.size = sizeof attributes;
  attributes.policy = SCHED_OTHER;
  attributes.nice = getpriority(PRIO_PROCESS, 0);
  attributes.runtime = kSliceNs;
  if (syscall(SYS_sched_setattr, 0, &attributes, 0) != 0) return false;
  // An older kernel takes it and forgets it.
  attributes.runtime = 0;
  return syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0 && attributes.runtime == kSliceNs;
}

}  // namespace

void Outcome::add(const Outcome& other) {
  latency.add(other.latency);
  requests += other.requests;
  content_bytes += other.content_bytes;
  sent_bytes += other.sent_bytes;
  received_bytes += other.received_bytes;
  errors += other.errors;
  reconnects += other.reconnects;
  never_begun += other.never_begun;
  has_short_slices = has_short_slices && other.has_short_slices;
  for (const auto& [status, count] : other.statuses) statuses[status] += count;
  if (!other.location.empty()) location = other.location;
  if (first_start == 0 || (other.first_start > 0 && other.first_start < first_start)) first_start = other.first_start;
  last_answer = std::max(last_answer, other.last_answer);
  end = std::max(end, other.end);
}

Worker::Worker(std::vector<std::unique_ptr<Connection>> connections, Limits limits)
    : connections_(std::move(connections)), limits_(limits), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (limits_.rate > 0) interval_ = static_cast<Nanoseconds>(static_cast<double>(kSecond) / limits_.rate);
}

Worker::~Worker() {
  close(epoll_);
}

void Worker::connect() {
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    connections_[i]->connect();
    watch(i);
    free_.push_back(i);
  }
}

// Edge-triggered and once for both ways: a request costs no epoll_ctl.
void Worker::watch(std::size_t index) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = index;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[index]->fd(), &event) != 0) {
    std::perror("epoll_ctl");
    std::exit(1);
  }
}

void Worker::run() {
  prctl(PR_SET_TIMERSLACK, 1UL);  // a request that is due must not wait 50 us for company
  outcome_.has_short_slices = interval_ > 0 && ask_for_short_slices();
  Nanoseconds now = clock_now();
  outcome_.first_start = due_ = now;
  end_ = limits_.duration > 0 ? now + limits_.duration : kNever;
  std::array<epoll_event, 256> events{};
  begin_requests(now);
  while (!is_over(now)) {
    const Nanoseconds until = next_time(now);
    const Nanoseconds rest = until > now ? until - now : 0;
    timespec timeout{static_cast<time_t>(rest / kSecond), static_cast<long>(rest % kSecond)};
    const int ready = epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()),
                                   until == kNever ? nullptr : &timeout, nullptr);
    if (ready < 0 && errno != EINTR) {
      std::perror("epoll_pwait2");
      std::exit(1);
    }
    now = clock_now();
    for (int i = 0; i < ready; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      advance(event.data.u64, (event.events & ~uint32_t{EPOLLOUT}) != 0, now);
    }
    wake_paced(now);
    begin_requests(now);
  }
  // What was due and never begun has waited until now at least.
  for (; interval_ > 0 && !scripts_ended_ && due_ < end_ && due_ < now; due_ += interval_) {
    outcome_.latency.record(now - due_);
    ++outcome_.never_begun;
  }
  outcome_.end = clock_now();
  for (const auto& connection : connections_) {
    outcome_.sent_bytes += connection->sent_bytes();
    outcome_.received_bytes += connection->received_bytes();
  }
}

bool Worker::is_over(Nanoseconds now) const {
  const bool has_ended = now >= end_;
  if (has_ended && limits_.cut) return true;
  if (busy_ > 0) return false;
  if (scripts_ended_) return true;
  // Those that were due before the end still get their turn, as long again as the run.
  return has_ended && (interval_ == 0 || due_ >= end_ || now >= end_ + limits_.duration);
}

// Until when nothing is to be done unless an event comes.
Nanoseconds Worker::next_time(Nanoseconds now) const {
  Nanoseconds until = kNever;
  if (now < end_) until = end_;
  if (!wakes_.empty()) until = std::min(until, wakes_.top().first);
  if (interval_ > 0 && !scripts_ended_ && !free_.empty() && due_ < end_) until = std::min(until, due_);
  return until;
}

void Worker::begin_requests(Nanoseconds now) {
  while (!free_.empty() && !scripts_ended_) {
    if (interval_ > 0 ? due_ > now || due_ >= end_ : now >= end_) return;
    const std::size_t index = free_.back();
    free_.pop_back();
    begin(index, interval_ > 0 ? due_ : now, now);
    due_ += interval_;
  }
}

void Worker::begin(std::size_t index, Nanoseconds intended, Nanoseconds now) {
  Connection& connection = *connections_[index];
  if (!connection.start(intended, now)) {
    scripts_ended_ = true;
    free_.push_back(index);
    return;
  }
  if (!connection.is_open()) {
    connection.connect();
    watch(index);
    ++outcome_.reconnects;
  }
  ++busy_;
  advance(index, false, now);
}

void Worker::advance(std::size_t index, bool is_readable, Nanoseconds now) {
  Connection& connection = *connections_[index];
  const bool was_busy = connection.is_busy();
  const Nanoseconds was_to_wake_at = connection.wake_at();
  const auto state = connection.go_on(is_readable, now);
  if (state == Connection::State::busy && connection.wake_at() > now && connection.wake_at() != was_to_wake_at) {
    wakes_.emplace(connection.wake_at(), index);
  }
  if (was_busy && state != Connection::State::busy) finish(index, state, now);
}

void Worker::wake_paced(Nanoseconds now) {
  while (!wakes_.empty() && wakes_.top().first <= now) {
    const std::size_t index = wakes_.top().second;
    wakes_.pop();
    if (connections_[index]->is_busy()) advance(index, false, now);
  }
}

// `now` is of before the answer was read; a large one takes long.
void Worker::finish(std::size_t index, Connection::State state, Nanoseconds now) {
  Connection& connection = *connections_[index];
  --busy_;
  free_.push_back(index);
  now = clock_now();
  ++outcome_.statuses[connection.response().status];
  if (state == Connection::State::failed) {
    ++outcome_.errors;
    return;
  }
  outcome_.last_answer = now;
  if (!connection.response().location.empty()) outcome_.location = connection.response().location;
  ++outcome_.requests;
  outcome_.content_bytes += connection.content_bytes();
  outcome_.latency.record(now - connection.intended());
}

}  // namespace load
