#include "server/status_line.h"

#include <cstdio>

#include "io/terminal.h"

namespace ringdrop::server {
namespace {

constexpr std::chrono::milliseconds kShowEvery{200};
constexpr int kStandardError = 2;
constexpr const char* kClearLine = "\r\x1b[K";

}  // namespace

StatusLine::StatusLine() : is_shown_(io::is_terminal(kStandardError)) {}

bool StatusLine::is_due() {
  const auto now = std::chrono::steady_clock::now();
  if (!is_shown_ || now - shown_at_ < kShowEvery) return false;
  shown_at_ = now;
  return true;
}

void StatusLine::show(const std::string& text) {
  std::fputs((kClearLine + text).c_str(), stderr);
}

void StatusLine::clear() {
  if (is_shown_) std::fputs(kClearLine, stderr);
}

}  // namespace ringdrop::server
