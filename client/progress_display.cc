#include "client/progress_display.h"

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <utility>

#include "io/terminal.h"
#include "io/wait_list.h"

namespace ringdrop::client {
namespace {

using io::Task;

constexpr io::Milliseconds kFrame{200};
constexpr unsigned kUsualColumns = 80;
// To the line's beginning, and the rest of it empty (ECMA-48 EL).
constexpr std::string_view kClearLine = "\r\x1b[K";

}  // namespace

ProgressDisplay::ProgressDisplay(io::EventLoop& loop, io::Lane& lane, Talk talk)
    : loop_(loop), lane_(lane), talk_(talk) {}

void ProgressDisplay::begin_file(std::string name, std::optional<uint64_t> total_bytes) {
  name_ = std::move(name);
  total_bytes_ = total_bytes;
  done_bytes_ = 0;
  begun_with_ = 0;
  moved_ = false;
  waiting_ = "waiting";
  begun_at_ = loop_.now();
  rate_.reset();
  if (talk_ != Talk::bar) return;
  drawing_ = std::make_unique<io::TaskScope>(loop_);
  drawing_->spawn(draw_again_and_again());
}

void ProgressDisplay::set_done(uint64_t bytes) {
  if (!moved_) {
    begun_with_ = bytes;
    begun_at_ = loop_.now();
  }
  moved_ = true;
  done_bytes_ = bytes;
}

void ProgressDisplay::set_waiting(std::string_view why) {
  if (why != waiting_) rate_.reset();
  waiting_ = why;
}

Task<> ProgressDisplay::end_file(bool success) {
  if (drawing_) {
    drawing_->request_stop();
    co_await drawing_->join();
    drawing_.reset();
  }
  const bool bar = talk_ == Talk::bar;
  if (bar && !success && shown_) {
    std::string clear(kClearLine);
    co_await write(stderr, std::move(clear));
  }
  if (bar && success) {
    const auto took = std::chrono::duration_cast<io::Milliseconds>(loop_.now() - begun_at_);
    std::string summary = format_summary(name_, done_bytes_ - std::min(done_bytes_, begun_with_), took);
    co_await write_line(std::move(summary));
  }
  shown_ = false;
}

Task<> ProgressDisplay::draw_again_and_again() {
  const std::stop_token stop = drawing_->stop_token();
  io::WaitList nobody(loop_, "a pause");
  while (!stop.stop_requested()) {
    co_await draw();
    static_cast<void>(co_await nobody.wait(loop_.now() + kFrame, stop));
  }
}

Task<> ProgressDisplay::draw() {
  rate_.add(loop_.now(), done_bytes_);
  ProgressView view;
  view.name = name_;
  view.done_bytes = done_bytes_;
  view.total_bytes = total_bytes_;
  view.waiting = waiting_;
  view.bytes_per_second = rate_.bytes_per_second();
  std::string text(kClearLine);
  text += format_progress_line(view, io::terminal_columns(STDERR_FILENO, kUsualColumns));
  shown_ = true;
  co_await write(stderr, std::move(text));
}

Task<> ProgressDisplay::note(std::string line) {
  if (talk_ != Talk::quiet) co_await write_line(std::move(line));
}

Task<> ProgressDisplay::error(std::string line) {
  co_await write_line(std::move(line));
}

Task<> ProgressDisplay::write_line(std::string line) {
  std::string text(shown_ ? kClearLine : std::string_view());
  text += line + '\n';
  co_await write(stderr, std::move(text));
}

Task<> ProgressDisplay::result(std::string line) {
  line += '\n';
  co_await write(stdout, std::move(line));
}

// What cannot be written is lost: there is nobody to tell.
Task<> ProgressDisplay::write(std::FILE* to, std::string text) {
  static_cast<void>(co_await io::run_on(loop_, lane_, [&] {
    std::fwrite(text.data(), 1, text.size(), to);
    return std::fflush(to);
  }));
}

}  // namespace ringdrop::client
