#include "tests/bench/load/report.h"

#include <sys/resource.h>

#include <string>

#include <fmt/format.h>

namespace load {
namespace {

double client_cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

}  // namespace

void print_report(const Outcome& outcome, std::optional<int64_t> stopped) {
  std::string statuses;
  for (const auto& [status, count] : outcome.statuses) {
    statuses += fmt::format("{}\"{}\": {}", statuses.empty() ? "" : ", ", status, count);
  }
  const auto microseconds = [&](double part) { return static_cast<double>(outcome.latency.quantile(part)) / 1e3; };
  const Nanoseconds took = outcome.last_answer > outcome.first_start ? outcome.last_answer - outcome.first_start : 0;
  fmt::print(
      "{{\"seconds\": {:.6f}, \"run_seconds\": {:.6f}, \"requests\": {}, \"bytes\": {}, \"sent_bytes\": {},"
      " \"received_bytes\": {}, \"errors\": {}, \"reconnects\": {}, \"never_begun\": {}, \"statuses\": {{{}}}, "
      "\"latency_us\": {{\"p50\": {:.1f}, \"p90\": {:.1f}, \"p99\": {:.1f},"
      " \"p999\": {:.1f}, \"max\": {:.1f}, \"mean\": {:.1f}}}, \"client_cpu_seconds\": {:.3f},"
      " \"short_slices\": {}, \"stopped_seconds\": {}, \"location\": \"{}\"}}\n",
      static_cast<double>(took) / 1e9, static_cast<double>(outcome.end - outcome.first_start) / 1e9, outcome.requests,
      outcome.content_bytes, outcome.sent_bytes, outcome.received_bytes, outcome.errors, outcome.reconnects,
      outcome.never_begun, statuses, microseconds(0.5), microseconds(0.9), microseconds(0.99), microseconds(0.999),
      static_cast<double>(outcome.latency.max()) / 1e3, outcome.latency.mean() / 1e3, client_cpu_seconds(),
      outcome.has_short_slices, stopped ? fmt::format("{:.6f}", static_cast<double>(*stopped) / 1e9) : "null",
      outcome.location);
}

}  // namespace load
