// The start itself is cut short: by a power cut or a kill before any of its operations, on the disk or in SQLite, also
// twice in a row, and by any operation that fails. The next start goes on, and what a client was told is true.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "tests/sim/disk_faults.h"
#include "tests/sim/in_child.h"
#include "tests/sim/workload.h"

namespace ringdrop::sim {
namespace {

enum Outcome : int { passed, violated, not_reached };

// A disk on which lives have ended, and what their clients were told. A dead life is never destroyed: all of it runs in
// child processes, which also makes it cheap to begin many times from here.
class Past {
 public:
  static constexpr uint64_t kBodiesLeft = 5;

  explicit Past(uint64_t seed) : random_(seed), seed_(seed * 1'000) {
    constexpr int kLives = 2;
    for (int i = 0; i < kLives; ++i) {
      Life& life = next();
      if (!life.start()) return;
      life.run_clients(random_.between(1'000, 4'000));
      if (i + 1 < kLives) end();
    }
    // And work for recovery: files without a row.
    life_->leave_bodies_behind(kBodiesLeft);
    disk_.kill();
    boot_ms_ = life_->world().epoch_ms() + 1'000;
  }

  // The next life, not started.
  Life& next() {
    life_ = new Life(seed_++, disk_, known_, boot_ms_);
    return *life_;
  }
  // Ends the life, wherever it is.
  void end() {
    boot_ms_ = life_->world().epoch_ms() + 1'000;
    if (random_.one_in(3)) {
      disk_.kill();
    } else {
      disk_.crash(random_);
    }
  }
  // A start that nothing disturbs, and everything that must be true.
  Outcome check() {
    Life& life = next();
    if (life.start()) {
      life.check_all(true);
      if (known_.violations.empty()) life.check_nothing_left();
    }
    for (const std::string& what : known_.violations) fmt::print(stderr, "{}\n", what);
    return known_.violations.empty() ? passed : violated;
  }
  Random& random() { return random_; }

 private:
  Random random_;
  uint64_t seed_;
  SimDisk disk_{256 * kMiB};
  Known known_;
  io::EpochMs boot_ms_ = kFirstBootMs;
  Life* life_ = nullptr;
};

// Calls `before(n)` before operation number `n` of the life, of the disk's and of SQLite's in one count; what it
// returns is the errno with which the operation fails.
template <class Before>
void watch_operations(Life& life, Before before) {
  auto* const seen = new uint64_t(0);  // as long as the life
  life.world().fault = [before, seen](const io::Request& request) {
    return touches_disk(request.op) ? before((*seen)++) : 0;
  };
  life.server().vfs().fault = [before, seen] { return before((*seen)++) != 0; };
}

// A start that ends before its operation number `n`, `more` others that end somewhere, then the check.
Outcome start_ends_at(Past& past, uint64_t n, int more) {
  Life& life = past.next();
  watch_operations(life, [&past, n, more](uint64_t at) {
    if (at != n) return 0;
    past.end();
    // The dead process goes nowhere from here: what is below on the stack is its own.
    if (more > 0) {
      const Outcome again = start_ends_at(past, past.random().below(n + 10), more - 1);
      if (again != not_reached) _exit(again);
      past.end();
    }
    _exit(past.check());
  });
  life.start();
  return not_reached;
}

// A start of which operation number `n` fails, and if `for_ever` each from then on; then the check.
Outcome start_fails_at(Past& past, uint64_t n, int error, bool for_ever) {
  Life& life = past.next();
  bool reached = false;
  watch_operations(life, [&](uint64_t at) {
    if (at != n && !(for_ever && at > n)) return 0;
    reached = true;
    return error;
  });
  const auto started = life.server().start();
  if (!reached) return not_reached;
  if (started && (for_ever || started->missing_files > 0)) return violated;
  past.end();
  return past.check();
}

// `run(past, n)` for every n until one is not reached; how many it were. Each begins on the same disk.
template <class Run>
uint64_t for_every_operation(uint64_t seed, Run run) {
  // A process for the past, whose children begin from there.
  const auto all = [&] {
    Past past(seed);
    for (uint64_t n = 0;; ++n) {
      const int code = exit_code_in_child([&] { return run(past, n); });
      if (code == not_reached) return n > 255 ? 255 : static_cast<int>(n);
      if (code == passed) continue;
      fmt::print(stderr, "seed {}, operation {}: {}\n", seed, n, code == kDied ? "died" : "violated");
      return 0;
    }
  };
  return static_cast<uint64_t>(std::max(0, exit_code_in_child(all)));
}

// A start makes at least so many operations.
constexpr uint64_t kLeastOperations = 25;
constexpr uint64_t kSeeds = 3;

TEST_CASE("recovery has something to do in the tests below") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    const auto removes = [&] {
      Past past(seed);
      const auto started = past.next().server().start();
      return started && started->removed_files >= Past::kBodiesLeft ? passed : violated;
    };
    CHECK(exit_code_in_child(removes) == passed);
  }
}

TEST_CASE("a start that is cut short at any of its operations is gone on with by the next one") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    const auto run = [](Past& past, uint64_t n) { return start_ends_at(past, n, 0); };
    CHECK(for_every_operation(seed, run) >= kLeastOperations);
  }
}

TEST_CASE("a start that goes on after another may be cut short as well") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    const auto run = [](Past& past, uint64_t n) { return start_ends_at(past, n, 2); };
    CHECK(for_every_operation(seed, run) >= kLeastOperations);
  }
}

TEST_CASE("whichever operation of a start fails, it fails or starts, and the next one loses nothing") {
  for (const int error : kDiskErrors) {
    CAPTURE(error);
    const auto run = [=](Past& past, uint64_t n) { return start_fails_at(past, n, error, false); };
    CHECK(for_every_operation(static_cast<uint64_t>(error), run) >= kLeastOperations);
  }
}

TEST_CASE("whenever the disk ends during a start, the start fails, and the next one loses nothing") {
  const auto run = [](Past& past, uint64_t n) { return start_fails_at(past, n, EIO, true); };
  CHECK(for_every_operation(1, run) >= kLeastOperations);
}

}  // namespace
}  // namespace ringdrop::sim
