#include "server/metrics.h"

#include <fmt/format.h>

#include <chrono>

namespace ringdrop::server {

std::string format_metrics(const Services& services) {
  std::string text =
      "# HELP ringdrop_loop_longest_busy_seconds The longest time in the last minute for which a loop did not look for "
      "new work.\n"
      "# TYPE ringdrop_loop_longest_busy_seconds gauge\n";
  for (std::size_t i = 0; i < services.all_loops.size(); ++i) {
    const std::chrono::duration<double> longest = services.all_loops[i]->busy_time().longest();
    text += fmt::format("ringdrop_loop_longest_busy_seconds{{loop=\"{}\"}} {:.6f}\n", i, longest.count());
  }
  return text;
}

}  // namespace ringdrop::server
