// What a person sees while files are uploaded, or watched: on a terminal a line that moves, elsewhere a line for what
// is unusual. Everything goes to standard error, through a lane of one thread: a terminal that is stopped (^S) stops no
// loop.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "client/progress_line.h"
#include "io/event_loop.h"
#include "io/task.h"
#include "io/task_scope.h"
#include "io/worker.h"

namespace ringdrop::client {

enum class Talk : uint8_t {
  quiet,  // of failures alone
  lines,  // and of retries
  bar,    // and a bar
};

class ProgressDisplay {
 public:
  // `lane` has one thread: what is written stays in order.
  ProgressDisplay(io::EventLoop& loop, io::Lane& lane, Talk talk);

  // A file begins; the bar is drawn until end_file().
  void begin_file(std::string name, std::optional<uint64_t> total_bytes);
  // When it was not known before.
  void set_total(std::optional<uint64_t> total_bytes) { total_bytes_ = total_bytes; }
  // So much is on its way, counted from the file's beginning. May fall. With the first call time begins to count.
  void set_done(uint64_t bytes);
  void add_done(uint64_t bytes) { set_done(done_bytes_ + bytes); }
  // Why it does not move, in a word; "": it does.
  void set_waiting(std::string_view why);
  bool has_bar() const { return talk_ == Talk::bar; }
  // The line that remains: of a success a summary, else nothing.
  io::Task<> end_file(bool success);

  // A line on its own, above the bar; without its newline.
  io::Task<> note(std::string line);   // not when quiet
  io::Task<> error(std::string line);  // always
  // A line on standard output.
  io::Task<> result(std::string line);

 private:
  io::Task<> draw_again_and_again();
  io::Task<> draw();
  io::Task<> write_line(std::string line);
  io::Task<> write(std::FILE* to, std::string text);

  io::EventLoop& loop_;
  io::Lane& lane_;
  const Talk talk_;
  std::string name_;
  std::optional<uint64_t> total_bytes_;
  uint64_t begun_with_ = 0;  // what was there before this run
  bool moved_ = false;
  uint64_t done_bytes_ = 0;
  std::string waiting_;
  io::TimePoint begun_at_{};
  RateMeter rate_;
  bool shown_ = false;  // the cursor stands in a bar
  std::unique_ptr<io::TaskScope> drawing_;
};

}  // namespace ringdrop::client
