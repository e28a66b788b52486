// "The Nth operation fails" for uploads that have an id: the client gets a clear answer or a closed connection, the
// server goes on, and after a start without failures everything that it was told is true.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <algorithm>
#include <cerrno>
#include <set>
#include <string>

#include "base/check.h"
#include "tests/sim/disk_faults.h"
#include "tests/sim/workload.h"

namespace ringdrop::sim {
namespace {

using Scenario = io::Task<> (*)(Life& life, KnownUpload& upload);

KnownUpload& add_upload(Known& known, std::size_t size) {
  KnownUpload& upload = known.uploads.emplace_back();
  upload.seed = size;
  upload.size = size;
  return upload;
}

Append piece(bool tus, uint64_t bytes) {
  Append append;
  append.tus = tus;
  append.bytes = bytes;
  return append;
}

// What is left of it, as far as it is known.
Append rest(const KnownUpload& upload, bool tus) {
  return piece(tus, upload.size - std::min<uint64_t>(upload.size, upload.told));
}

io::Task<> tus_in_pieces(Life& life, KnownUpload& upload) {
  const Creation creation;
  co_await life.create(upload, creation);
  if (upload.path.empty()) co_return;
  const Append first = piece(true, 40'001);
  co_await life.append(upload, first);
  co_await life.look_at(upload, true);
  const Append last = rest(upload, true);
  co_await life.append(upload, last);
}

io::Task<> ietf_that_breaks(Life& life, KnownUpload& upload) {
  Creation creation;
  creation.tus = false;
  creation.brings_all = true;
  creation.sent = 33'333;
  creation.digest = true;
  co_await life.create(upload, creation);
  if (upload.path.empty()) co_return;
  co_await life.look_at(upload, false);
  const Append last = rest(upload, false);
  co_await life.append(upload, last);
}

io::Task<> checksums(Life& life, KnownUpload& upload) {
  Creation creation;
  creation.body_bytes = 5'000;
  creation.digest = true;
  co_await life.create(upload, creation);
  if (upload.path.empty()) co_return;
  Append append = piece(true, 20'000);
  append.checked = true;
  co_await life.append(upload, append);
  append.wrong = true;
  co_await life.append(upload, append);
  append.wrong = false;
  append.sent = 9'000;
  co_await life.append(upload, append);
  co_await life.look_at(upload, true);
  const Append last = rest(upload, true);
  co_await life.append(upload, last);
}

io::Task<> cancelled(Life& life, KnownUpload& upload) {
  Creation creation;
  creation.body_bytes = 30'000;
  co_await life.create(upload, creation);
  if (upload.path.empty()) co_return;
  const Append more = piece(false, 10'000);
  co_await life.append(upload, more);
  co_await life.cancel(upload, true);
  co_await life.look_at(upload, true);
}

constexpr Scenario kScenarios[] = {tus_in_pieces, ietf_that_breaks, checksums, cancelled};
constexpr std::size_t kSize = 90'000;

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
    life.run(scenario(life, add_upload(known, kSize)));
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

TEST_CASE("whichever disk operation of an upload with an id fails, nothing is lost that was told") {
  for (const Scenario scenario : kScenarios) {
    for (const int error : kDiskErrors) {
      CAPTURE(error);
      uint64_t n = 0;
      for (bool reached = true; reached; ++n) {
        CAPTURE(n);
        reached = disk_operation_fails(scenario, n, error);
      }
      CHECK(n > 12);
    }
  }
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
  life->run(scenario(*life, add_upload(known, kSize)));
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

int in_child(Scenario scenario, uint64_t n) {
  const pid_t child = fork();
  CHECK_THAT(child >= 0);
  if (child == 0) _exit(catalogue_fails(scenario, n));
  int status = 0;
  CHECK_THAT(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

TEST_CASE("whichever write of the catalogue fails under an upload with an id, nothing is lost that was told") {
  for (const Scenario scenario : kScenarios) {
    uint64_t n = 0;
    for (int outcome = 0; outcome != 2; ++n) {
      CAPTURE(n);
      outcome = in_child(scenario, n);
      CHECK(outcome != 1);
    }
    CHECK(n > 4);
  }
}

}  // namespace
}  // namespace ringdrop::sim
