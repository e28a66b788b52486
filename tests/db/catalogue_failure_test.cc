// What a disk that fails does to the catalogue: acknowledged means there after the next start, not
// acknowledged means whole or absent, and never half of a batch in between.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "db/catalogue.h"
#include "db/transaction.h"
#include "tests/db/catalogue_fixture.h"
#include "tests/db/faulty_fixture.h"

namespace ringdrop::db {
namespace {

using Fixture = test::FaultyFixture;
using test::FaultyVfs;
using test::Outcomes;

TEST_CASE_FIXTURE(Fixture, "a failed sync fails the whole batch and ends all writing") {
  {
    test::SteppedCatalogue parts(faulty_options(), loop);
    for (const auto& outcome : insert_three(parts, 10)) REQUIRE(outcome->has_value());
    vfs.fail(FaultyVfs::sync | FaultyVfs::wal_only, 0, EIO);
    for (const auto& outcome : insert_three(parts, 20)) {
      REQUIRE_FALSE(outcome->has_value());
      CHECK(outcome->error().code == io::Errc::system);
      CHECK(outcome->error().sys_errno == EIO);
      CHECK(std::string(outcome->error().op) == "commit");
    }
    CHECK(vfs.has_failed());
    CHECK(parts.catalogue.failed());
    CHECK(parts.catalogue.commits() == 1);
    CHECK(count_three(parts.catalogue, 10) == 3);
    CHECK(count_three(parts.catalogue, 20) == 0);
    // The next sync would succeed, and mean nothing.
    const uint64_t syncs = vfs.syncs();
    for (const auto& outcome : insert_three(parts, 30)) {
      CHECK(outcome->error().code == io::Errc::system);
    }
    CHECK(*loop.run(parts.catalogue.checkpoint_if_due(loop.loop())) == false);
    CHECK(vfs.syncs() == syncs);
  }
  const uint64_t syncs = vfs.syncs();
  test::SteppedCatalogue parts(options(), loop);
  CHECK(vfs.syncs() == syncs);
  CHECK_FALSE(parts.catalogue.failed());
  CHECK(count_three(parts.catalogue, 10) == 3);
  CHECK(count_three(parts.catalogue, 20) % 3 == 0);
  CHECK(count_three(parts.catalogue, 30) == 0);
}

TEST_CASE("a commit that fails behind its sync is there after the next start, and ends all writing until then") {
  for (const int sys_errno : {EDQUOT, ENOSPC, ENOMEM}) {
    CAPTURE(sys_errno);
    Fixture fixture;
    Link large = test::make_link(40);
    large.extents[0].checksums.assign(17 * kMiB, 'x');  // the first 4,062 frames are in the first part of the index
    {
      test::SteppedCatalogue parts(fixture.faulty_options(), fixture.loop);
      for (const auto& outcome : fixture.insert_three(parts, 10)) REQUIRE(outcome->has_value());
      fixture.vfs.fail(FaultyVfs::grow_index, 0, sys_errno);
      const io::Result<> inserted = *fixture.insert(parts, {&large, 1})[0];
      REQUIRE_FALSE(inserted.has_value());
      CHECK(inserted.error().code == io::Errc::system);  // not what means that nothing was done
      CHECK(fixture.vfs.has_failed());
      CHECK(parts.catalogue.failed());  // whoever brought the files leaves them alone
      for (const auto& outcome : fixture.insert_three(parts, 20)) CHECK_FALSE(outcome->has_value());
    }
    test::SteppedCatalogue parts(fixture.options(), fixture.loop);
    const auto found = fixture.loop.run(parts.catalogue.find(fixture.loop.loop(), large.token, test::kNow));
    REQUIRE(found.has_value());
    CHECK(found->has_value());
    CHECK(fixture.count_three(parts.catalogue, 10) == 3);
  }
}

TEST_CASE_FIXTURE(Fixture, "a sync that fails for want of space is no less a failed sync") {
  test::SteppedCatalogue parts(faulty_options(), loop);
  vfs.fail(FaultyVfs::sync | FaultyVfs::wal_only, 0, ENOSPC);
  for (const auto& outcome : insert_three(parts, 10)) {
    CHECK(outcome->error().code == io::Errc::system);
  }
  CHECK(parts.catalogue.failed());
}

TEST_CASE_FIXTURE(Fixture, "a full disk fails the batch; with space again writing goes on") {
  {
    test::SteppedCatalogue parts(faulty_options(), loop);
    for (const auto& outcome : insert_three(parts, 10)) REQUIRE(outcome->has_value());
    for (uint64_t nth = 0;; ++nth) {
      vfs.fail(FaultyVfs::write | FaultyVfs::wal_only, nth, ENOSPC);
      const Outcomes outcomes = insert_three(parts, 20);
      CHECK_FALSE(parts.catalogue.failed());
      if (!vfs.has_failed()) break;
      for (const auto& outcome : outcomes) {
        REQUIRE_FALSE(outcome->has_value());
        CHECK(outcome->error().code == io::Errc::no_space);
      }
      CHECK(count_three(parts.catalogue, 20) == 0);
    }
    CHECK(count_three(parts.catalogue, 20) == 3);
  }
  test::SteppedCatalogue parts(options(), loop);
  CHECK(count_three(parts.catalogue, 10) == 3);
  CHECK(count_three(parts.catalogue, 20) == 3);
}

TEST_CASE_FIXTURE(Fixture, "a full disk is known until a page could be written") {
  test::SteppedCatalogue parts(faulty_options(), loop);
  CHECK(parts.catalogue.state() == CatalogueState::sound);
  vfs.fail(FaultyVfs::write | FaultyVfs::wal_only, 0, ENOSPC);
  insert_three(parts, 10);
  CHECK(parts.catalogue.state() == CatalogueState::full);
  vfs.fail(FaultyVfs::write | FaultyVfs::wal_only, 0, ENOSPC);
  CHECK(probe(parts)->error().code == io::Errc::no_space);
  CHECK(parts.catalogue.state() == CatalogueState::full);
  CHECK(probe(parts)->has_value());
  CHECK(parts.catalogue.state() == CatalogueState::sound);
}

TEST_CASE_FIXTURE(Fixture, "what probes a sound file writes nothing") {
  test::SteppedCatalogue parts(faulty_options(), loop);
  const uint64_t syncs = vfs.syncs();
  CHECK(probe(parts)->has_value());
  CHECK(vfs.syncs() == syncs);
  CHECK(parts.catalogue.wal_bytes() == 0);
}

TEST_CASE_FIXTURE(Fixture, "a file that may not grow is a full disk: a quota, RLIMIT_FSIZE") {
  test::SteppedCatalogue parts(options(), loop);
  for (const auto& outcome : insert_three(parts, 10)) REQUIRE(outcome->has_value());
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit small = before;
  small.rlim_cur = parts.catalogue.wal_bytes() + 5000;  // one frame and a piece of the next
  const auto signal_before = signal(SIGXFSZ, SIG_IGN);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const Outcomes outcomes = insert_three(parts, 20);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  signal(SIGXFSZ, signal_before);
  for (const auto& outcome : outcomes) {
    REQUIRE_FALSE(outcome->has_value());
    CHECK(outcome->error().code == io::Errc::no_space);
    CHECK(outcome->error().sys_errno == EFBIG);
  }
  CHECK_FALSE(parts.catalogue.failed());
  CHECK(count_three(parts.catalogue, 20) == 0);
  for (const auto& outcome : insert_three(parts, 20)) CHECK(outcome->has_value());
}

TEST_CASE_FIXTURE(Fixture, "a transaction that SQLite undoes in the middle fails for every job") {
  // A link so large that its pages are not all in the cache: reading one fails in the job that removes it.
  test::SteppedCatalogue parts(faulty_options(), loop);
  Link large = test::make_link(10);
  large.extents[0].checksums.assign(32 * kMiB, 'x');
  large.expires_at_ms = test::kLater;
  REQUIRE(insert(parts, {&large, 1})[0]->has_value());
  const Link before = test::make_link(1);
  const Link after = test::make_link(3);
  Outcomes outcomes(3);
  vfs.fail(FaultyVfs::read | FaultyVfs::wal_only, 100, EIO);
  io::TaskScope scope(loop.loop());
  scope.spawn(test::insert_into(parts.catalogue, loop.loop(), before, outcomes[0]));
  scope.spawn(test::remove_from(parts.catalogue, loop.loop(), large.token, outcomes[1]));
  scope.spawn(test::insert_into(parts.catalogue, loop.loop(), after, outcomes[2]));
  parts.writer.run_batch();
  test::drain(loop.loop(), scope);
  REQUIRE(vfs.has_failed());
  for (const auto& outcome : outcomes) {
    REQUIRE_FALSE(outcome->has_value());
    CHECK(outcome->error().code == io::Errc::system);
    CHECK(std::string(outcome->error().op) == outcomes[1]->error().op);
  }
  CHECK(count_three(parts.catalogue, 1) == 0);
}

TEST_CASE_FIXTURE(Fixture, "nothing of a transaction is written before its commit, however large it is") {
  test::SteppedCatalogue parts(faulty_options(), loop);
  Link large = test::make_link(10);
  large.extents[0].checksums.assign(32 * kMiB, 'x');
  const std::array<Link, 3> links = {test::make_link(1), large, test::make_link(3)};
  vfs.fail(FaultyVfs::write | FaultyVfs::wal_only, 0, ENOSPC);
  for (const auto& outcome : insert(parts, links)) {
    REQUIRE_FALSE(outcome->has_value());
    CHECK(outcome->error().code == io::Errc::no_space);
    CHECK(std::string(outcome->error().op) == "commit");
  }
  for (const auto& outcome : insert(parts, links)) CHECK(outcome->has_value());
  CHECK(count_three(parts.catalogue, 1) == 2);
}

TEST_CASE_FIXTURE(Fixture, "another process that writes for long makes a batch fail, not the file") {
  CatalogueOptions impatient = options();
  impatient.busy_timeout_ms = 20;
  test::SteppedCatalogue parts(impatient, loop);
  OpenOptions how;
  how.path = options().path;
  how.role = Role::writer;
  {
    Database other = *Database::open(how);
    Transaction held = *Transaction::begin(other);
    for (const auto& outcome : insert_three(parts, 10)) {
      CHECK(outcome->error().code == io::Errc::exhausted);
      CHECK(outcome->error().sys_errno == EBUSY);
    }
    CHECK(parts.catalogue.state() == CatalogueState::locked);
    CHECK_FALSE(probe(parts)->has_value());
    CHECK(parts.catalogue.state() == CatalogueState::locked);
  }
  CHECK(probe(parts)->has_value());
  CHECK(parts.catalogue.state() == CatalogueState::sound);
  for (const auto& outcome : insert_three(parts, 10)) CHECK(outcome->has_value());
}

TEST_CASE_FIXTURE(Fixture, "a file that was full before it was locked is full behind the lock") {
  CatalogueOptions impatient = faulty_options();
  impatient.busy_timeout_ms = 20;
  test::SteppedCatalogue parts(impatient, loop);
  vfs.fail(FaultyVfs::write | FaultyVfs::wal_only, 0, ENOSPC);
  insert_three(parts, 10);
  REQUIRE(parts.catalogue.state() == CatalogueState::full);
  {
    OpenOptions how;
    how.path = options().path;
    how.role = Role::writer;
    Database other = *Database::open(how);
    Transaction held = *Transaction::begin(other);
    CHECK_FALSE(probe(parts)->has_value());
    CHECK(parts.catalogue.state() == CatalogueState::locked);
  }
  vfs.fail(FaultyVfs::write | FaultyVfs::wal_only, 0, ENOSPC);
  CHECK(probe(parts)->error().code == io::Errc::no_space);
  CHECK(parts.catalogue.state() == CatalogueState::full);
  CHECK(probe(parts)->has_value());
  CHECK(parts.catalogue.state() == CatalogueState::sound);
}

Link expiring_link(uint64_t number, uint64_t link_bytes) {
  Link link = test::make_link(number);
  link.expires_at_ms = test::kLater;
  if (link_bytes > 0) link.extents[0].checksums.assign(link_bytes, 'x');
  return link;
}

struct Faults {
  unsigned kinds;
  int sys_errno;
  uint64_t checkpoint_bytes;
  bool with_reader = false;
  uint64_t link_bytes = 0;  // 0: small ones
  uint64_t least = 20;      // operations
};

// Opens, writes two batches, removes a link, makes a checkpoint, closes: with the nth operation of
// SQLite failing; with somebody perhaps who reads what was there before the second batch. Then opens again on a sound
// disk and compares. False: nothing failed any more.
bool survives_fault(const Faults& faults, uint64_t nth) {
  CAPTURE(faults.kinds);
  CAPTURE(nth);
  const auto make_link = [&](uint64_t number) { return expiring_link(number, faults.link_bytes); };
  Fixture fixture;
  Outcomes first(3);
  Outcomes second(3);
  std::optional<io::Result<>> removed;
  fixture.vfs.fail(faults.kinds, nth, faults.sys_errno);
  CatalogueOptions how = fixture.faulty_options();
  how.checkpoint_bytes = faults.checkpoint_bytes;
  io::Result<std::unique_ptr<CatalogueFile>> opened = CatalogueFile::open(how, fixture.loop.log());
  if (opened) {
    opened->reset();
    // A second start, so that the nth operation is one of those too.
    opened = CatalogueFile::open(how, fixture.loop.log());
  }
  if (opened) {
    CatalogueFile& file = **opened;
    test::SteppedLane writer(file);
    io::WorkerLane reader("reader", 1, 16, &file.reads());
    io::WorkerLane checkpointer("checkpointer", 1, 16);
    Catalogue catalogue(file, writer, reader, checkpointer);
    io::EventLoop& loop = fixture.loop.loop();
    const auto batch = [&](uint64_t number, Outcomes& outcomes, bool with_removal) {
      const std::array<Link, 3> links = {make_link(number), make_link(number + 1), make_link(number + 2)};
      io::TaskScope scope(loop);
      for (std::size_t i = 0; i < links.size(); ++i) {
        scope.spawn(test::insert_into(catalogue, loop, links[i], outcomes[i]));
      }
      const std::string token = test::make_link(10).token;
      if (with_removal) scope.spawn(test::remove_from(catalogue, loop, token, removed));
      writer.run_batch();
      test::drain(loop, scope);
    };
    batch(10, first, false);
    static_cast<void>(fixture.loop.run(catalogue.checkpoint_if_due(loop)));
    std::optional<Database> other_reader;
    if (faults.with_reader) other_reader = fixture.hold_snapshot();
    batch(20, second, true);
    static_cast<void>(fixture.loop.run(catalogue.checkpoint_if_due(loop)));
  }
  opened = io::fail(io::Errc::closed, "closed");

  test::SteppedCatalogue parts(fixture.options(), fixture.loop);
  const auto has = [&](uint64_t number) {
    const Link link = make_link(number);
    const auto found = fixture.loop.run(parts.catalogue.find(fixture.loop.loop(), link.token, test::kNow));
    REQUIRE(found.has_value());
    if (*found) CHECK(test::same(**found, link));
    return found->has_value();
  };
  for (std::size_t i = 0; i < 3; ++i) {
    const bool gone = i == 0 && removed.has_value();
    const bool was_removed = gone && removed->has_value();
    if (was_removed) CHECK_FALSE(has(10));
    if (!gone && first[i] && first[i]->has_value()) CHECK(has(10 + i));
    if (second[i] && second[i]->has_value()) CHECK(has(20 + i));
  }
  // A batch is there as a whole or not at all; the second one took link 10 away.
  const bool second_there = has(20);
  CHECK(has(21) == second_there);
  CHECK(has(22) == second_there);
  CHECK(has(12) == has(11));
  CHECK(has(10) == (has(11) && !second_there));
  return fixture.vfs.has_failed();
}

TEST_CASE("whichever operation of SQLite fails, acknowledged is kept and a batch is never torn") {
  const Faults rows[] = {
      {FaultyVfs::any, EIO, 8 * kKiB},        // the lane makes the checkpoints
      {FaultyVfs::any, EIO, 1},               // the writer makes them
      {FaultyVfs::any, EIO, 8 * kKiB, true},  // the log cannot start again
      {FaultyVfs::write, ENOSPC, 8 * kKiB},
      {FaultyVfs::write, ENOSPC, 1},
      // A commit is more than one write, a checkpoint more than one sync.
      {FaultyVfs::write | FaultyVfs::wal_only, EIO, 8 * kKiB, false, 500 * kKiB},
      {FaultyVfs::write | FaultyVfs::wal_only, ENOSPC, 8 * kKiB, false, 500 * kKiB},
      {FaultyVfs::sync, EIO, 8 * kKiB, false, 500 * kKiB, 10},
  };
  for (const Faults& row : rows) {
    uint64_t nth = 0;
    while (survives_fault(row, nth)) ++nth;
    CHECK(nth > row.least);
    MESSAGE("operations that were failed: ", nth);
  }
}

}  // namespace
}  // namespace ringdrop::db
