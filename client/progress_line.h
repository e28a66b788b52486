// The line that shows how far an upload is, as text for a given number of columns; and the rate that it shows. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "io/clock.h"

namespace ringdrop::client {

struct ProgressView {
  std::string_view name;
  uint64_t done_bytes = 0;
  std::optional<uint64_t> total_bytes = 0;  // absent: nobody knows
  std::optional<double> bytes_per_second;
  std::string_view waiting{};  // "waiting", "paused": shown instead of the rate; "": it moves
};

// "film.mkv      [=========>          ]  45%  1.2 GiB/s   0:31", never longer than `columns` - 1: a line that fills a
// terminal wraps. Of a narrow terminal the bar goes first, then the name. Without a total there is neither bar nor
// percentage, but how much there is.
std::string format_progress_line(const ProgressView& view, std::size_t columns);

// "film.mkv  4.0 GiB in 0:03, 1.2 GiB/s": of what has ended.
std::string format_summary(std::string_view name, uint64_t bytes, io::Milliseconds took);

// "999 B" "1.0 KiB" "12.3 MiB": four characters and a unit at most.
std::string format_bytes(double bytes);
// "0:31" "1:02:03"; "-:--" above 99 hours.
std::string format_time(double seconds);

// Bytes a second over the last seconds.
class RateMeter {
 public:
  void add(io::TimePoint now, uint64_t done_bytes);
  // After a step back or a pause: nothing of what was is true any more.
  void reset() { samples_.clear(); }
  std::optional<double> bytes_per_second() const;

 private:
  struct Sample {
    io::TimePoint at;
    uint64_t done_bytes;
  };
  std::deque<Sample> samples_;  // of the last kWindow
};

}  // namespace ringdrop::client
