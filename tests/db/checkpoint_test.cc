// Checkpoints of a log that others write to and read from meanwhile, on a disk that fails.
#include <doctest/doctest.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "db/catalogue.h"
#include "tests/db/faulty_fixture.h"

namespace ringdrop::db {
namespace {

using test::FaultyVfs;

struct Fixture : test::FaultyFixture {
  // As another process has it that makes a checkpoint.
  Database open_other(std::string through = {}) const {
    OpenOptions how;
    how.path = options().path;
    how.role = Role::checkpointer;
    how.vfs = std::move(through);
    return *Database::open(how);
  }
};

TEST_CASE_FIXTURE(Fixture,
                  "what a checkpoint has left of the log is copied before the next commit, when it is little") {
  CatalogueOptions how = faulty_options();
  how.checkpoint_bytes = 32 * kKiB;
  test::SteppedCatalogue parts(how, loop);
  const uint64_t next = outgrow(parts, how.checkpoint_bytes, 10);
  std::optional<Database> reader = hold_snapshot();
  for (const auto& outcome : insert_three(parts, next)) REQUIRE(outcome->has_value());
  CHECK(*loop.run(parts.catalogue.checkpoint_if_due(loop.loop())));
  CHECK(parts.catalogue.wal_bytes() > how.checkpoint_bytes);
  reader.reset();
  for (const auto& outcome : insert_three(parts, next + 3)) REQUIRE(outcome->has_value());
  CHECK(parts.catalogue.wal_bytes() < how.checkpoint_bytes);
  CHECK(count_three(parts.catalogue, next) == 3);
}

TEST_CASE_FIXTURE(Fixture, "a failed checkpoint ends all writing and loses nothing") {
  CatalogueOptions how = faulty_options();
  how.checkpoint_bytes = 32 * kKiB;
  {
    test::SteppedCatalogue parts(how, loop);
    outgrow(parts, how.checkpoint_bytes, 10);
    // The sync of the log comes first, that of the main file second.
    vfs.fail(FaultyVfs::sync, 1, EIO);
    const io::Result<bool> made = loop.run(parts.catalogue.checkpoint_if_due(loop.loop()));
    CHECK(vfs.has_failed());
    REQUIRE_FALSE(made.has_value());
    CHECK(made.error().code == io::Errc::system);
    CHECK(parts.catalogue.failed());
    CHECK(count_three(parts.catalogue, 10) == 3);
  }
  test::SteppedCatalogue parts(options(), loop);
  CHECK(count_three(parts.catalogue, 10) == 3);
}

constexpr unsigned kMainSync = FaultyVfs::sync | FaultyVfs::main_only;

TEST_CASE_FIXTURE(Fixture, "what is copied of a log that goes on is synced, and when that fails it ends all writing") {
  CatalogueOptions how = faulty_options();
  how.checkpoint_bytes = 32 * kKiB;
  {
    test::SteppedCatalogue parts(how, loop);
    uint64_t next = outgrow(parts, how.checkpoint_bytes, 10);
    std::optional<Database> reader = hold_snapshot();
    for (const auto& outcome : insert_three(parts, next)) REQUIRE(outcome->has_value());
    // SQLite itself syncs when all is copied, which the reader does not let happen.
    uint64_t syncs = vfs.count(kMainSync);
    CHECK(*loop.run(parts.catalogue.checkpoint_if_due(loop.loop())));
    CHECK(vfs.count(kMainSync) > syncs);

    vfs.fail(kMainSync, 0, EIO);
    const io::Result<bool> made = loop.run(parts.catalogue.checkpoint_if_due(loop.loop()));
    REQUIRE(vfs.has_failed());
    REQUIRE_FALSE(made.has_value());
    CHECK(made.error().code == io::Errc::system);
    CHECK(made.error().sys_errno == EIO);
    CHECK(parts.catalogue.failed());
    // The next sync would succeed, and the log would start again over the only copy.
    reader.reset();
    syncs = vfs.syncs();
    CHECK_FALSE(*loop.run(parts.catalogue.checkpoint_if_due(loop.loop())));
    for (const auto& outcome : insert_three(parts, 1000)) CHECK(outcome->error().code == io::Errc::system);
    CHECK(vfs.syncs() == syncs);
  }
  test::SteppedCatalogue parts(options(), loop);
  CHECK(count_three(parts.catalogue, 10) == 3);
  CHECK(count_three(parts.catalogue, 1000) == 0);
}

io::Task<> make_checkpoint(Catalogue& catalogue, io::EventLoop& loop, std::optional<io::Result<bool>>& made) {
  made = co_await catalogue.checkpoint_if_due(loop);
}

// One that is held as it begins to write, while a link of so many bytes is committed.
struct HeldCheckpoint : Fixture {
  explicit HeldCheckpoint(uint64_t bound) : bound_bytes(bound) {}

  void begin(uint64_t link_bytes) {
    vfs.hold(FaultyVfs::write | FaultyVfs::main_only);
    scope.spawn(make_checkpoint(parts.catalogue, loop.loop(), made));
    vfs.wait_until_held();
    Link large = test::make_link(next);
    large.extents[0].checksums.assign(link_bytes, 'x');
    REQUIRE(insert(parts, {&large, 1})[0]->has_value());
  }
  void end() {
    vfs.release();
    test::drain(loop.loop(), scope);
  }
  CatalogueOptions with_bound() const {
    CatalogueOptions how = faulty_options();
    how.checkpoint_bytes = bound_bytes;
    return how;
  }

  const uint64_t bound_bytes;
  test::SteppedCatalogue parts{with_bound(), loop};
  const uint64_t next = outgrow(parts, bound_bytes, 10);
  std::optional<io::Result<bool>> made;
  io::TaskScope scope{loop.loop()};
};

// Of the log, more than is left to the writer.
constexpr uint64_t kNotLittle = 600 * kKiB;

TEST_CASE("what is committed while the log is copied is copied too") {
  HeldCheckpoint held(kMiB);
  held.begin(kNotLittle);
  CHECK(held.parts.catalogue.wal_bytes() < 2 * held.bound_bytes);
  held.end();
  CHECK(held.made->value());
  CHECK(held.parts.catalogue.wal_bytes() == 0);
  for (const auto& outcome : held.insert_three(held.parts, held.next + 1)) REQUIRE(outcome->has_value());
  CHECK(held.parts.catalogue.wal_bytes() < 2 * held.bound_bytes);
  CHECK(held.count_three(held.parts.catalogue, held.next) == 3);
}

TEST_CASE("a log that has become urgent is left to the writer, who lets it start again") {
  HeldCheckpoint held(32 * kKiB);
  held.begin(kMiB);
  held.end();
  CHECK(held.made->value());
  CHECK(held.parts.catalogue.wal_bytes() > kMiB);
  for (const auto& outcome : held.insert_three(held.parts, held.next + 1)) REQUIRE(outcome->has_value());
  CHECK(held.parts.catalogue.wal_bytes() < 2 * held.bound_bytes);
}

TEST_CASE("a log that a reader has kept long is copied to its end: what is urgent is more than it was") {
  HeldCheckpoint held(kMiB);
  {
    const Database reader = held.hold_snapshot();
    // The writer, too, has tried in vain.
    held.outgrow(held.parts, 2 * held.bound_bytes, 1000);
    for (const auto& outcome : held.insert_three(held.parts, 5000)) REQUIRE(outcome->has_value());
  }
  held.begin(kNotLittle);
  CHECK(held.parts.catalogue.wal_bytes() > 2 * held.bound_bytes);
  held.end();
  CHECK(held.made->value());
  CHECK(held.parts.catalogue.wal_bytes() == 0);
  // And then it is as little as before.
  const uint64_t next = held.outgrow(held.parts, 2 * held.bound_bytes, 6000);
  for (const auto& outcome : held.insert_three(held.parts, next)) REQUIRE(outcome->has_value());
  CHECK(held.parts.catalogue.wal_bytes() < held.bound_bytes);
}

TEST_CASE_FIXTURE(Fixture, "a log that has started again and is too long with its first commit presses at once") {
  CatalogueOptions how = faulty_options();
  how.checkpoint_bytes = 256 * kKiB;
  test::SteppedCatalogue parts(how, loop);
  const uint64_t next = outgrow(parts, how.checkpoint_bytes, 10);
  CHECK(*loop.run(parts.catalogue.checkpoint_if_due(loop.loop())));
  CHECK(parts.catalogue.wal_bytes() == 0);
  Link large = test::make_link(next);
  large.extents[0].checksums.assign(290 * kKiB, 'x');
  REQUIRE(insert(parts, {&large, 1})[0]->has_value());
  CHECK(parts.catalogue.is_checkpoint_pressing());
}

TEST_CASE_FIXTURE(Fixture, "a log that another process has let start again presses as at first") {
  CatalogueOptions how = faulty_options();
  how.checkpoint_bytes = kMiB;
  test::SteppedCatalogue parts(how, loop);
  const uint64_t next = outgrow(parts, how.checkpoint_bytes, 10);
  std::optional<Database> reader = hold_snapshot();
  Link large = test::make_link(next);
  large.extents[0].checksums.assign(kNotLittle, 'x');
  REQUIRE(insert(parts, {&large, 1})[0]->has_value());
  CHECK(*loop.run(parts.catalogue.checkpoint_if_due(loop.loop())));
  CHECK_FALSE(parts.catalogue.is_checkpoint_pressing());
  reader.reset();
  REQUIRE(open_other().checkpoint(CheckpointMode::passive));
  for (const auto& outcome : insert_three(parts, next + 1)) REQUIRE(outcome->has_value());
  CHECK(parts.catalogue.wal_bytes() < how.checkpoint_bytes / 2);
  outgrow(parts, how.checkpoint_bytes, next + 4);
  CHECK(parts.catalogue.is_checkpoint_pressing());
}

TEST_CASE_FIXTURE(Fixture,
                  "when a long reader has gone the writer lets the log start again, and later as early as at first") {
  CatalogueOptions how = faulty_options();
  how.checkpoint_bytes = 256 * kKiB;
  const uint64_t urgent_bytes = 2 * how.checkpoint_bytes;
  test::SteppedCatalogue parts(how, loop);
  std::optional<Database> reader = hold_snapshot();
  uint64_t next = outgrow(parts, urgent_bytes, 10);
  // The writer tries in vain, and then not before so much more is there.
  const uint64_t next_try_bytes = parts.catalogue.wal_bytes() + how.checkpoint_bytes;
  for (const auto& outcome : insert_three(parts, next)) REQUIRE(outcome->has_value());
  reader.reset();
  next = outgrow(parts, next_try_bytes, next + 3);
  for (const auto& outcome : insert_three(parts, next)) REQUIRE(outcome->has_value());
  CHECK(parts.catalogue.wal_bytes() < how.checkpoint_bytes);
  next = outgrow(parts, urgent_bytes, next + 3);
  for (const auto& outcome : insert_three(parts, next)) REQUIRE(outcome->has_value());
  CHECK(parts.catalogue.wal_bytes() < how.checkpoint_bytes);
}

TEST_CASE_FIXTURE(
    Fixture, "a log that another process has let start again is urgent as at first, though somebody reads from it") {
  CatalogueOptions how = faulty_options();
  how.checkpoint_bytes = kMiB;
  const uint64_t urgent_bytes = 2 * how.checkpoint_bytes;
  test::SteppedCatalogue parts(how, loop);
  std::optional<Database> reader = hold_snapshot();
  uint64_t next = outgrow(parts, urgent_bytes, 10);
  for (const auto& outcome : insert_three(parts, next)) REQUIRE(outcome->has_value());
  reader.reset();
  REQUIRE(open_other().checkpoint(CheckpointMode::passive));
  for (const auto& outcome : insert_three(parts, next + 3)) REQUIRE(outcome->has_value());
  REQUIRE(parts.catalogue.wal_bytes() < how.checkpoint_bytes);
  reader.emplace(hold_snapshot());
  next = outgrow(parts, how.checkpoint_bytes, next + 6);
  CHECK(*loop.run(parts.catalogue.checkpoint_if_due(loop.loop())));
  CHECK(parts.catalogue.wal_bytes() > how.checkpoint_bytes);
  reader.reset();
  next = outgrow(parts, urgent_bytes, next);
  for (const auto& outcome : insert_three(parts, next)) REQUIRE(outcome->has_value());
  CHECK(parts.catalogue.wal_bytes() < how.checkpoint_bytes);
}

// Of another process; held as it begins to write, until its end.
struct OtherCheckpoint {
  explicit OtherCheckpoint(Fixture& fixture) : vfs(fixture.vfs), database(fixture.open_other(vfs.name())) {
    vfs.hold(FaultyVfs::write | FaultyVfs::main_only);
    thread = std::thread([this] { CHECK(database.checkpoint(CheckpointMode::passive)); });
    vfs.wait_until_held();
  }
  ~OtherCheckpoint() {
    vfs.release();
    thread.join();
  }

  FaultyVfs& vfs;
  Database database;
  std::thread thread;
};

TEST_CASE_FIXTURE(
    Fixture, "while another process makes a checkpoint there is none here: no failure, and it does not press at once") {
  CatalogueOptions how = options();  // only the other's disk is held
  how.checkpoint_bytes = 256 * kKiB;
  test::SteppedCatalogue parts(how, loop);
  uint64_t next = outgrow(parts, how.checkpoint_bytes, 10);
  CHECK(parts.catalogue.is_checkpoint_pressing());
  std::optional<OtherCheckpoint> other(std::in_place, *this);
  CHECK(loop.run(parts.catalogue.checkpoint_if_due(loop.loop())) == false);
  CHECK(parts.catalogue.state() == CatalogueState::sound);
  CHECK_FALSE(parts.catalogue.is_checkpoint_pressing());
  for (const auto& outcome : insert_three(parts, next)) CHECK(outcome->has_value());
  CHECK_FALSE(parts.catalogue.is_checkpoint_pressing());
  next = outgrow(parts, how.checkpoint_bytes * 3 / 2, next + 3);
  CHECK(parts.catalogue.is_checkpoint_pressing());
  // Urgent, the writer tries it too.
  next = outgrow(parts, 2 * how.checkpoint_bytes, next);
  for (const auto& outcome : insert_three(parts, next)) CHECK(outcome->has_value());
  CHECK(parts.catalogue.state() == CatalogueState::sound);
  CHECK(parts.catalogue.wal_bytes() > 2 * how.checkpoint_bytes);
  other.reset();
  CHECK(*loop.run(parts.catalogue.checkpoint_if_due(loop.loop())));
  CHECK(parts.catalogue.wal_bytes() == 0);
  CHECK(count_three(parts.catalogue, next) == 3);
}

TEST_CASE_FIXTURE(Fixture, "a checkpoint for which there is no space presses again when more is there to copy") {
  CatalogueOptions how = faulty_options();
  how.checkpoint_bytes = 256 * kKiB;
  test::SteppedCatalogue parts(how, loop);
  uint64_t next = outgrow(parts, how.checkpoint_bytes, 10);
  CHECK(parts.catalogue.is_checkpoint_pressing());
  vfs.fail(FaultyVfs::write | FaultyVfs::main_only, 0, ENOSPC);
  const io::Result<bool> made = loop.run(parts.catalogue.checkpoint_if_due(loop.loop()));
  REQUIRE(vfs.has_failed());
  REQUIRE_FALSE(made.has_value());
  CHECK(made.error().code == io::Errc::no_space);
  for (const auto& outcome : insert_three(parts, next)) REQUIRE(outcome->has_value());
  CHECK_FALSE(parts.catalogue.is_checkpoint_pressing());
  next = outgrow(parts, how.checkpoint_bytes * 3 / 2, next + 3);
  CHECK(parts.catalogue.is_checkpoint_pressing());
  CHECK(*loop.run(parts.catalogue.checkpoint_if_due(loop.loop())));
  for (const auto& outcome : insert_three(parts, next)) REQUIRE(outcome->has_value());
  CHECK(parts.catalogue.wal_bytes() < how.checkpoint_bytes);
  // It has started again, and presses as at first.
  next = outgrow(parts, how.checkpoint_bytes, next + 3);
  CHECK(parts.catalogue.is_checkpoint_pressing());
}

TEST_CASE("a checkpoint takes no further step when the file has failed meanwhile") {
  constexpr unsigned kLogSync = FaultyVfs::sync | FaultyVfs::wal_only;
  HeldCheckpoint held(kMiB);
  held.begin(kNotLittle);
  held.vfs.fail(kLogSync, 0, EIO);
  for (const auto& outcome : held.insert_three(held.parts, held.next + 3)) REQUIRE_FALSE(outcome->has_value());
  const uint64_t log_syncs = held.vfs.count(kLogSync);
  held.end();
  CHECK(held.made.has_value());
  CHECK(held.parts.catalogue.failed());
  CHECK(held.parts.catalogue.wal_bytes() > 0);
  CHECK(held.vfs.count(kLogSync) == log_syncs);
}

}  // namespace
}  // namespace ringdrop::db
