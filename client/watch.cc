#include "client/watch.h"

#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

#include "client/display_text.h"
#include "client/program.h"
#include "client/watched_upload.h"

namespace ringdrop::client {
namespace {

using io::Task;

class Watch final : public Program {
 public:
  Watch(const ProgramParts& parts, const WatchOptions& options)
      : display_(parts.loop, parts.printing, talk_of(options.quiet)), upload_(parts, options.url, display_) {}

  Task<std::optional<int>> run(std::stop_token stop) override {
    const Outcome<proto::ProgressNotice> last = co_await upload_.run(stop);
    if (!last && stop.stop_requested()) co_return std::nullopt;
    std::string line;
    if (last && last->state == "complete") {
      // A part of a concatenation has no link of its own.
      line = printable(last->url);
      if (!line.empty()) co_await display_.result(std::move(line));
      co_return 0;
    }
    line = "ringdrop: " + (last ? "the upload is over: " + format_notice(*last) : last.error().words);
    co_await display_.error(std::move(line));
    co_return kExitFailure;
  }

 private:
  ProgressDisplay display_;
  WatchedUpload upload_;
};

}  // namespace

int run_watch(const WatchOptions& options) {
  return run_program(options.url.secure, options.ca_file,
                     [&](const ProgramParts& parts) { return std::make_unique<Watch>(parts, options); });
}

}  // namespace ringdrop::client
