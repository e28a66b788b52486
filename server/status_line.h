// How far a command has come: one line on stderr that is written over a few times a second, where that is a terminal.
#pragma once

#include <chrono>
#include <string>

namespace ringdrop::server {

class StatusLine {
 public:
  StatusLine();

  // Whether show() is to be called now: the text need not be made otherwise.
  bool is_due();
  void show(const std::string& text);
  // Before anything else is printed, and at the end.
  void clear();

 private:
  const bool is_shown_;
  std::chrono::steady_clock::time_point shown_at_;
};

}  // namespace ringdrop::server
