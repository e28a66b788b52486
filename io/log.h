// The log: one line an event on standard error, written by a thread of its own through a bounded queue, so that a full
// pipe never stops a loop: when the queue is full the oldest lines are dropped.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace ringdrop::io {

class Log {
 public:
  enum class Level : uint8_t { debug, info, warn, error, off };

  explicit Log(Level level);
  ~Log();  // writes what is queued
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  bool enabled(Level level) const { return level >= level_ && level_ != Level::off; }
  // Any thread. Of warnings and errors the same line is written a few times a minute and then counted: RepeatedLines.
  // Bytes of `line` that are not printable ASCII are escaped (\xNN), so that no input of a client can forge a line or
  // steer a terminal.
  void write(Level level, std::string_view line);
  void debug(std::string_view line) { write(Level::debug, line); }
  void info(std::string_view line) { write(Level::info, line); }
  void warn(std::string_view line) { write(Level::warn, line); }
  void error(std::string_view line) { write(Level::error, line); }

 private:
  struct Sink;
  Level level_;
  std::unique_ptr<Sink> sink_;
};

// The escaping that every line gets.
std::string escape_for_log(std::string_view text);

}  // namespace ringdrop::io
