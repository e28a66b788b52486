// What keeps a log readable when every request meets the same trouble: of each line the first few in a minute are let
// through, the others are counted, and the next one that is let through says how many they were. Lines that differ in
// their numbers alone are the same. Which lines it remembers is bounded: with too many different ones all are let
// through.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace ringdrop::io {

class RepeatedLines {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kWindow{60};
  static constexpr uint64_t kMostInWindow = 5;
  static constexpr std::size_t kMostLines = 64;

  // The line, or the line and how many of it were left out before; nullopt: it is left out. `now` never goes back.
  std::optional<std::string> admit(std::string line, Time now);

 private:
  struct Seen {
    Time since;
    uint64_t times = 0;
  };
  std::map<std::string, Seen> seen_;
};

}  // namespace ringdrop::io
