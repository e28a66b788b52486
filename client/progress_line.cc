#include "client/progress_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "client/display_text.h"

namespace ringdrop::client {
namespace {

constexpr io::Milliseconds kWindow{5'000};
constexpr io::Milliseconds kShortestWindow{300};  // a rate over less is noise
constexpr std::size_t kMostNameColumns = 40;
constexpr std::size_t kLeastNameColumns = 8;
constexpr std::size_t kLeastBarColumns = 10;
constexpr double kLongestShown = 100.0 * 3600;

unsigned percent(const ProgressView& view) {
  const uint64_t total = view.total_bytes.value_or(0);
  if (total == 0) return 100;
  return static_cast<unsigned>(100.0 * static_cast<double>(view.done_bytes) / static_cast<double>(total));
}

std::string bar(const ProgressView& view, std::size_t columns) {
  const std::size_t inside = columns - 2;
  const std::size_t filled = std::min<std::size_t>(inside, inside * percent(view) / 100);
  std::string text(inside, ' ');
  std::fill_n(text.begin(), filled, '=');
  if (filled > 0 && filled < inside) text[filled - 1] = '>';
  return '[' + text + ']';
}

// " 45%  1.2 GiB/s    0:31", of fixed width so that nothing dances.
std::string figures(const ProgressView& view) {
  std::string rate(view.waiting);
  std::string left;
  if (view.waiting.empty() && view.bytes_per_second) {
    rate = format_bytes(*view.bytes_per_second) + "/s";
    const uint64_t total = view.total_bytes.value_or(0);
    const auto rest = static_cast<double>(total - std::min(total, view.done_bytes));
    if (view.total_bytes && *view.bytes_per_second >= 1) left = format_time(rest / *view.bytes_per_second);
  }
  if (!view.total_bytes) return fmt::format("{:>9}  {:>10}", format_bytes(static_cast<double>(view.done_bytes)), rate);
  return fmt::format("{:3}%  {:>10}  {:>8}", percent(view), rate, left);
}

}  // namespace

std::string format_bytes(double bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  // 999.5 would be shown as 1000.
  while (bytes >= 999.5 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  const bool whole = unit == 0 || bytes >= 99.95;
  return whole ? fmt::format("{:.0f} {}", bytes, kUnits[unit]) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string format_time(double seconds) {
  if (!(seconds < kLongestShown)) return "-:--";
  const auto whole = static_cast<uint64_t>(std::max(0.0, seconds) + 0.5);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string format_progress_line(const ProgressView& view, std::size_t columns) {
  const std::size_t room = columns > 0 ? columns - 1 : 0;
  const std::string numbers = figures(view);
  if (room < numbers.size() + 1 + kLeastNameColumns) return fit(numbers, std::min(room, numbers.size()));
  const std::size_t beside = room - numbers.size() - 1;  // for name and bar
  const std::size_t wanted = std::clamp(display_columns(printable(view.name)), kLeastNameColumns, kMostNameColumns);
  if (!view.total_bytes) return fit(view.name, std::min(wanted, beside)) + ' ' + numbers;
  if (beside < kLeastNameColumns + 2 + kLeastBarColumns) return fit(view.name, beside) + ' ' + numbers;
  const std::size_t name_columns = std::min(wanted, beside - 2 - kLeastBarColumns);
  return fit(view.name, name_columns) + "  " + bar(view, beside - name_columns - 2) + ' ' + numbers;
}

std::string format_summary(std::string_view name, uint64_t bytes, io::Milliseconds took) {
  const double seconds = static_cast<double>(std::max(took, io::Milliseconds(1)).count()) / 1000;
  return fmt::format("{}  {} in {}, {}/s", printable(name), format_bytes(static_cast<double>(bytes)),
                     format_time(seconds), format_bytes(static_cast<double>(bytes) / seconds));
}

void RateMeter::add(io::TimePoint now, uint64_t done_bytes) {
  if (!samples_.empty() && done_bytes < samples_.back().done_bytes) reset();
  samples_.push_back({now, done_bytes});
  while (samples_.front().at + kWindow < now) samples_.pop_front();
}

std::optional<double> RateMeter::bytes_per_second() const {
  if (samples_.empty()) return std::nullopt;
  const auto took = samples_.back().at - samples_.front().at;
  if (took < kShortestWindow) return std::nullopt;
  const auto bytes = static_cast<double>(samples_.back().done_bytes - samples_.front().done_bytes);
  return bytes / std::chrono::duration<double>(took).count();
}

}  // namespace ringdrop::client
