#include "tests/sim/failing_scenario.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <set>
#include <string>

#include "tests/sim/disk_faults.h"
#include "tests/sim/in_child.h"

namespace ringdrop::sim {
namespace {

void check_answers(const Known& known, bool failed) {
  // 409: an append where the upload does not stand, since the client did not hear of the one before.
  const std::set<int> proper = {200, 201, 204, 400, 404, 409, 410, 460, 500, 503, 507};
  for (const int status : known.statuses) {
    CAPTURE(status);
    CHECK(proper.contains(status));
    if (!failed) CHECK((status < 300 || status == 460 || status == 410));
  }
  for (const std::string& what : known.violations) {
    CAPTURE(what);
    CHECK(false);
  }
}

// The scenario while disk operation number `n` fails, then a start without failures; whether it was reached.
bool disk_operation_fails(Scenario scenario, uint64_t n, int error) {
  SimDisk disk(256 * kMiB);
  Known known;
  bool reached = false;
  io::EpochMs ended_ms = 0;
  {
    Life life(n * 131 + static_cast<uint64_t>(error), disk, known, kFirstBootMs);
    REQUIRE(life.start());
    uint64_t seen = 0;
    life.world().fault = [&](const io::Request& request) {
      if (!touches_disk(request.op) || seen++ != n) return 0;
      reached = true;
      return error;
    };
    life.run(scenario(life));
    life.world().fault = nullptr;
    life.stop();
    CHECK(life.world().open_descriptors() <= 2);  // the lock, and the one that the catalogue's directory may hold
    ended_ms = life.world().epoch_ms();
  }
  disk.kill();
  {
    Life life(n, disk, known, ended_ms);
    REQUIRE(life.start());
    life.check_all(true);
    life.check_nothing_left();
  }
  check_answers(known, reached);
  return reached;
}

// The same with write or sync number `n` of the catalogue, after which the process is killed: 0 when all is well, 1
// when not, 2 when it was not reached.
int catalogue_fails(Scenario scenario, uint64_t n) {
  SimDisk disk(256 * kMiB);
  Known known;
  bool reached = false;
  Life* const life = new Life(n, disk, known, kFirstBootMs);
  if (!life->start()) return 1;
  uint64_t seen = 0;
  life->server().vfs().fault = [&] {
    reached = reached || seen++ == n;
    return reached;
  };
  life->run(scenario(*life));
  const io::EpochMs ended_ms = life->world().epoch_ms();
  disk.kill();
  Life* const after = new Life(n, disk, known, ended_ms);
  if (!after->start()) return 1;
  after->check_all(true);
  after->check_nothing_left();
  for (const std::string& what : known.violations) fmt::print(stderr, "operation {}: {}\n", n, what);
  if (!known.violations.empty()) return 1;
  return reached ? 0 : 2;
}

}  // namespace

void fail_each_disk_operation(Scenario scenario, uint64_t least) {
  for (const int error : kDiskErrors) {
    CAPTURE(error);
    uint64_t n = 0;
    for (bool reached = true; reached; ++n) {
      CAPTURE(n);
      reached = disk_operation_fails(scenario, n, error);
    }
    CHECK(n > least);
  }
}

void fail_each_catalogue_write(Scenario scenario, uint64_t least) {
  uint64_t n = 0;
  for (int outcome = 0; outcome != 2; ++n) {
    CAPTURE(n);
    outcome = exit_code_in_child([&] { return catalogue_fails(scenario, n); });
    REQUIRE(outcome != 1);
    REQUIRE(outcome != kDied);
  }
  CHECK(n > least);
}

}  // namespace ringdrop::sim
