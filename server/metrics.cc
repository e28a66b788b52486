#include "server/metrics.h"

#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <string_view>

#include "io/kernel_workers.h"

namespace ringdrop::server {
namespace {

void describe(std::string& text, std::string_view name, std::string_view type, std::string_view help) {
  text += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
}

using OfLoop = std::function<std::string(io::LoopHealth&)>;

// One sample a loop.
void add(std::string& text, const Services& services, std::string_view name, std::string_view type,
         std::string_view help, const OfLoop& value) {
  describe(text, name, type, help);
  for (std::size_t i = 0; i < services.all_loops.size(); ++i) {
    text += fmt::format("{}{{loop=\"{}\"}} {}\n", name, i, value(services.all_loops[i]->health()));
  }
}

}  // namespace

io::Task<std::string> format_metrics(const Services& services) {
  std::string text;
  const io::TimePoint now = services.loop.now();
  add(text, services, "ringdrop_loop_longest_busy_seconds", "gauge",
      "The longest time in the last minute or two for which a loop did not look for new work, or does not now.",
      [now](io::LoopHealth& health) {
        return fmt::format("{:.6f}", std::chrono::duration<double>(health.longest_turn(now)).count());
      });
  add(text, services, "ringdrop_loop_long_turns_total", "counter",
      "How often that was longer than 10 ms; the log says with what, at most every 10 s.",
      [](io::LoopHealth& health) { return fmt::to_string(health.long_turns()); });
  add(text, services, "ringdrop_loop_most_ready", "gauge",
      "The most coroutines in the last minute or two that waited for nothing but their turn.",
      [now](io::LoopHealth& health) { return fmt::to_string(health.most_ready(now)); });
  add(text, services, "ringdrop_buffer_pool_bytes", "gauge", "The loop's part of memory_budget.",
      [](io::LoopHealth& health) { return fmt::to_string(health.pool_bytes.load(std::memory_order_relaxed)); });
  add(text, services, "ringdrop_buffer_pool_lent_bytes", "gauge", "What of it is lent to transfers.",
      [](io::LoopHealth& health) { return fmt::to_string(health.pool_lent_bytes.load(std::memory_order_relaxed)); });
  const io::Result<std::size_t> workers =
      co_await io::run_on(services.loop, services.digest_lane, [] { return io::count_kernel_workers(); });
  if (workers) {
    describe(text, "ringdrop_kernel_workers", "gauge", "The kernel's threads for operations that block (io-wq).");
    text += fmt::format("ringdrop_kernel_workers {}\n", *workers);
  }
  co_return text;
}

}  // namespace ringdrop::server
