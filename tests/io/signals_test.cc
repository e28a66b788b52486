#include "io/signals.h"

#include <doctest/doctest.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <optional>
#include <string>

#include "tests/io/child.h"
#include "tests/io/test_loop.h"

namespace ringdrop::test {
namespace {

using io::Result;
using io::Task;

// Puts the process's signals back as they were.
class KeptSignals {
 public:
  KeptSignals() {
    pthread_sigmask(SIG_SETMASK, nullptr, &mask_);
    sigaction(SIGPIPE, nullptr, &pipe_);
    sigaction(SIGXFSZ, nullptr, &file_size_);
  }
  KeptSignals(const KeptSignals&) = delete;
  KeptSignals& operator=(const KeptSignals&) = delete;
  ~KeptSignals() {
    sigaction(SIGPIPE, &pipe_, nullptr);
    sigaction(SIGXFSZ, &file_size_, nullptr);
    pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
  }

 private:
  sigset_t mask_{};
  struct sigaction pipe_{};
  struct sigaction file_size_{};
};

Task<> note_next(io::TerminationSignals& signals, std::stop_token stop, std::optional<Result<int>>& got) {
  got = co_await signals.next(stop);
}

}  // namespace

TEST_CASE("SIGTERM and SIGINT arrive as values, one by one") {
  const KeptSignals kept;
  io::block_termination_signals();
  TestLoop fixture;
  Result<io::TerminationSignals> signals = io::TerminationSignals::open(fixture.loop());
  REQUIRE(signals.has_value());
  for (const int sent : {SIGTERM, SIGINT, SIGTERM}) {
    std::optional<Result<int>> got;
    io::TaskScope scope(fixture.loop());
    scope.spawn(note_next(*signals, scope.stop_token(), got));
    fixture.turn_at_once();
    CHECK_FALSE(got.has_value());
    REQUIRE(kill(getpid(), sent) == 0);
    fixture.drain(scope);
    REQUIRE(got->has_value());
    CHECK(**got == sent);
  }
}

TEST_CASE("a signal that came before anybody waited is not lost") {
  const KeptSignals kept;
  io::block_termination_signals();
  REQUIRE(kill(getpid(), SIGINT) == 0);
  TestLoop fixture;
  Result<io::TerminationSignals> signals = io::TerminationSignals::open(fixture.loop());
  REQUIRE(signals.has_value());
  const Result<int> got = fixture.run(signals->next(std::stop_token()));
  REQUIRE(got.has_value());
  CHECK(*got == SIGINT);
}

TEST_CASE("waiting for a signal can be stopped") {
  const KeptSignals kept;
  io::block_termination_signals();
  TestLoop fixture;
  Result<io::TerminationSignals> signals = io::TerminationSignals::open(fixture.loop());
  REQUIRE(signals.has_value());
  std::optional<Result<int>> got;
  io::TaskScope scope(fixture.loop());
  scope.spawn(note_next(*signals, scope.stop_token(), got));
  fixture.turn_at_once();
  scope.request_stop();
  fixture.drain(scope);
  REQUIRE_FALSE(got->has_value());
  CHECK(got->error().code == io::Errc::cancelled);
}

TEST_CASE("neither a broken pipe nor a file size limit ends the process") {
  const std::string end = from_child([] {
    io::block_termination_signals();
    int ends[2];
    if (pipe(ends) != 0) return std::string("no pipe");
    close(ends[0]);
    if (write(ends[1], "x", 1) >= 0 || errno != EPIPE) return std::string("the pipe is not broken");
    raise(SIGXFSZ);
    return std::string("alive");
  });
  CHECK(end == "alive");
}

}  // namespace ringdrop::test
