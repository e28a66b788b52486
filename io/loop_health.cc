#include "io/loop_health.h"

#include <fmt/format.h>

#include <utility>

namespace ringdrop::io {
namespace {

// The thread's clock costs a system call.
constexpr std::chrono::milliseconds kNoteCpuEvery{5};
constexpr std::chrono::seconds kComplainEvery{10};

double in_ms(std::chrono::nanoseconds time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

}  // namespace

bool LoopHealth::begin_turn(TimePoint now) {
  woke_ = step_began_ = now;
  busy_since_.store(now, std::memory_order_relaxed);
  step_ = longest_what_ = "";
  longest_step_ = {};
  steps_ = 0;
  if (now - cpu_noted_ < kNoteCpuEvery) return false;
  cpu_noted_ = now;
  return true;
}

bool LoopHealth::end_turn(TimePoint now, std::size_t ready) {
  end_step(now);
  turn_ = now - woke_;
  busy_since_.store(kNever, std::memory_order_relaxed);
  longest_turn_.record(turn_, now);
  most_ready_.record(ready, now);
  if (turn_ <= kLongTurn) return false;
  long_turns_.fetch_add(1, std::memory_order_relaxed);
  if (now - complained_ < kComplainEvery) {
    ++kept_quiet_;
    return false;
  }
  complained_ = now;
  return true;
}

std::string LoopHealth::complaint(std::chrono::nanoseconds used) {
  std::string text = fmt::format("a turn of the loop took {:.1f} ms, {:.1f} ms of it for: {} (one of {} steps)",
                                 in_ms(turn_), in_ms(longest_step_), longest_what_, steps_);
  // The note is older than the turn by little: in the turn it was no more than this.
  const std::chrono::nanoseconds on_cpu = std::min(used - cpu_then_, turn_);
  if (on_cpu < turn_ / 2) {
    text += fmt::format("; its thread had a CPU for {:.1f} ms: others were busy, or a call has blocked", in_ms(on_cpu));
  }
  const uint64_t others = std::exchange(kept_quiet_, 0);
  if (others > 0) text += fmt::format("; {} more long turns since the last such line", others);
  return text;
}

}  // namespace ringdrop::io
