// How a loop is doing: how long its turns are, and what makes one long; how much is ready at a time; how much of its
// buffers is lent. Written by the loop, read by any thread.
//
// Every loop knows also whether it is asked often, for what its transfers move at a time.
//
// A turn is what a loop does between two waits, what the kernel does at once for what was submitted and letting others
// have its CPU included: what comes meanwhile waits for its end, and what is ready for that of further ones perhaps. So
// no turn should be long, and one that is says what it was busy with.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "io/clock.h"

namespace ringdrop::io {

// The largest of the last minute, or of nearly two.
template <class T>
class RecentMaximum {
 public:
  void record(T value, TimePoint now) {
    const TimePoint began = window_began_.load(kRelaxed);
    if (now - began >= kWindow) {
      const bool is_next = now - began < 2 * kWindow;
      previous_.store(is_next ? current_.load(kRelaxed) : T{}, kRelaxed);
      current_.store(T{}, kRelaxed);
      window_began_.store(is_next ? began + kWindow : now, kRelaxed);
    }
    if (value > current_.load(kRelaxed)) current_.store(value, kRelaxed);
  }

  // Any thread; where nothing has been recorded for long it knows, too. One that meets the change of the window may be
  // wrong that once.
  T get(TimePoint now) const {
    const auto age = now - window_began_.load(kRelaxed);
    if (age >= 2 * kWindow) return T{};
    const T current = current_.load(kRelaxed);
    return age >= kWindow ? current : std::max(current, previous_.load(kRelaxed));
  }

 private:
  static constexpr std::chrono::seconds kWindow{60};
  static constexpr auto kRelaxed = std::memory_order_relaxed;

  std::atomic<TimePoint> window_began_{};
  std::atomic<T> current_{};
  std::atomic<T> previous_{};
};

class LoopHealth {
 public:
  // A turn that is longer is worth a line in the log.
  static constexpr std::chrono::milliseconds kLongTurn{10};

  // The loop has waited until now. true: note_cpu_time() is due, for it tells a turn that was long because others had
  // the CPU from one that was long by itself.
  bool begin_turn(TimePoint now);
  // What the thread has used of a CPU in its life.
  void note_cpu_time(std::chrono::nanoseconds used) { cpu_then_ = used; }
  // From now on it is busy with this: a string literal.
  void begin_step(const char* what, TimePoint now) {
    end_step(now);
    step_ = what;
    ++steps_;
  }
  // It has begun to wait, or does not need to. `ready`: how many coroutines were, at once. true: the turn was long, and
  // the last complaint() is some time ago.
  bool end_turn(TimePoint now, std::size_t ready);
  // What was wrong with the turn that has just ended, in words for the log. `used`: as for note_cpu_time().
  std::string complaint(std::chrono::nanoseconds used);

  // A short request has had its answer.
  void note_request(TimePoint now) {
    count_until(now);
    ++requests_;
  }
  // Whether short requests come often: then what moves much at a time makes many wait. The loop's thread.
  bool is_asked_often(TimePoint now) {
    count_until(now);
    return requests_ + requests_before_ >= kOften;
  }

  // The turn that is under way counts: a loop that is stuck is seen while it is.
  std::chrono::nanoseconds longest_turn(TimePoint now) const {
    const TimePoint since = busy_since_.load(std::memory_order_relaxed);
    const auto under_way = since == kNever ? std::chrono::nanoseconds(0) : std::chrono::nanoseconds(now - since);
    return std::max(longest_turn_.get(now), under_way);
  }
  std::size_t most_ready(TimePoint now) const { return most_ready_.get(now); }
  uint64_t long_turns() const { return long_turns_.load(std::memory_order_relaxed); }

  // Of the loop's buffer pool.
  std::atomic<uint64_t> pool_bytes{0};
  std::atomic<uint64_t> pool_lent_bytes{0};

 private:
  static constexpr std::chrono::milliseconds kRequestWindow{100};
  static constexpr uint64_t kOften = 10;

  void count_until(TimePoint now) {
    const auto past = now - requests_since_;
    if (past < kRequestWindow) return;
    requests_before_ = past < 2 * kRequestWindow ? requests_ : 0;
    requests_ = 0;
    requests_since_ = now;
  }
  void end_step(TimePoint now) {
    const auto took = std::chrono::nanoseconds(now - step_began_);
    if (took > longest_step_) {
      longest_step_ = took;
      longest_what_ = step_;
    }
    step_began_ = now;
  }

  TimePoint woke_{};
  std::atomic<TimePoint> busy_since_{kNever};  // for others; kNever: it waits
  std::chrono::nanoseconds turn_{0};           // that has ended last
  const char* step_ = "";
  TimePoint step_began_{};
  uint64_t steps_ = 0;
  const char* longest_what_ = "";
  std::chrono::nanoseconds longest_step_{0};
  TimePoint cpu_noted_{};
  std::chrono::nanoseconds cpu_then_{0};
  TimePoint complained_{};
  uint64_t kept_quiet_ = 0;  // long turns since
  TimePoint requests_since_{};
  uint64_t requests_ = 0;         // since then
  uint64_t requests_before_ = 0;  // in the window before
  RecentMaximum<std::chrono::nanoseconds> longest_turn_;
  RecentMaximum<std::size_t> most_ready_;
  std::atomic<uint64_t> long_turns_{0};
};

}  // namespace ringdrop::io
