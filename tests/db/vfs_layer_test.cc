#include "db/vfs_layer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string>
#include <utility>

#include "db/sqlite.h"
#include "db/transaction.h"
#include "tests/db/catalogue_fixture.h"
#include "tests/db/faulty_vfs.h"

namespace ringdrop::db {
namespace {

using test::FaultyVfs;

struct Fixture {
  Database open(Role role, Durability durability = Durability::full) const {
    OpenOptions options;
    options.path = directory.file("db");
    options.role = role;
    options.holds_log_writes = role == Role::writer;
    options.durability = durability;
    options.vfs = vfs.name();
    options.wal_limit_bytes = 64 * kMiB;
    io::Result<Database> database = Database::open(options);
    REQUIRE_MESSAGE(database.has_value(), io::describe(database.error()));
    return *std::move(database);
  }
  // A writer of a file with a table.
  Database writer(Durability durability = Durability::full) const {
    Database database = open(Role::writer, durability);
    REQUIRE(database.execute("CREATE TABLE t (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL)", "create"));
    return database;
  }
  // In one transaction; each row has pages of its own.
  static io::Result<> insert(Database& database, uint64_t rows) {
    Transaction transaction = *Transaction::begin(database);
    for (uint64_t i = 0; i < rows; ++i) {
      const io::Result<> inserted =
          database.execute("INSERT INTO t (bytes) VALUES (zeroblob(4000) || randomblob(200))", "insert");
      if (!inserted) return inserted;
    }
    return transaction.commit();
  }
  static int64_t count(Database& database) { return *database.read_int64("SELECT count(*) FROM t", "count"); }
  static bool is_sound(Database& database) {
    Statement check = *Statement::prepare(database, "PRAGMA integrity_check", "check");
    Statement::Use use = check.use();
    return *use.step() && use.column_text(0) == "ok";
  }
  // What a crash at this moment would leave.
  Database copy_of_files() const {
    const std::string copy = directory.file("copy");
    for (const char* const end : {"", "-wal"}) {
      std::filesystem::copy_file(directory.file("db") + end, copy + end,
                                 std::filesystem::copy_options::overwrite_existing);
    }
    OpenOptions options;
    options.path = copy;
    options.role = Role::checkpointer;
    return *Database::open(options);
  }

  test::TemporaryDirectory directory;
  FaultyVfs vfs;
};

constexpr unsigned kLogWrite = FaultyVfs::write | FaultyVfs::wal_only;
constexpr unsigned kLogSync = FaultyVfs::sync | FaultyVfs::wal_only;

TEST_CASE_FIXTURE(Fixture, "the frames of a commit are written together, and are there when it is acknowledged") {
  Database database = writer();
  for (const uint64_t rows : {1U, 10U, 200U}) {
    const int64_t before = count(database);
    const uint64_t writes = vfs.count(kLogWrite);
    const uint64_t syncs = vfs.count(kLogSync);
    REQUIRE(insert(database, rows));
    // A row of 4,200 bytes has two pages at most, and a log of 4 KiB pages a frame header for each.
    CHECK(vfs.count(kLogWrite) - writes <= 2 + 2 * rows * (4 * kKiB + 24) / VfsLayer::kHeldBytes);
    CHECK(vfs.count(kLogSync) == syncs + 1);
    Database copy = copy_of_files();
    CHECK(count(copy) == before + static_cast<int64_t>(rows));
    CHECK(is_sound(copy));
  }
}

TEST_CASE_FIXTURE(Fixture, "pages that left the cache in the middle of a transaction are read and written again") {
  Database database = writer();
  REQUIRE(database.execute("PRAGMA cache_size=10", "set up"));
  Transaction transaction = *Transaction::begin(database);
  for (int i = 0; i < 100; ++i) {
    REQUIRE(database.execute("INSERT INTO t (bytes) VALUES (zeroblob(5000))", "insert"));
  }
  for (int round = 1; round <= 3; ++round) {
    REQUIRE(database.execute("UPDATE t SET bytes = zeroblob(length(bytes) + 300)", "update"));
    const auto grown = database.read_int64("SELECT count(*) FROM t WHERE length(bytes) > 5000", "count");
    CHECK(*grown == 100);
  }
  REQUIRE(transaction.commit());
  Database copy = copy_of_files();
  CHECK(copy.read_int64("SELECT count(*) FROM t WHERE length(bytes) = 5900", "count") == 100);
  CHECK(is_sound(copy));
}

TEST_CASE_FIXTURE(Fixture, "a commit whose frames cannot be written fails, and the next one takes their place") {
  Database database = writer();
  REQUIRE(insert(database, 3));
  // More than is held: the first writes come before the sync, the last with it.
  constexpr uint64_t kRows = 100;
  uint64_t nth = 0;
  for (;; ++nth) {
    CAPTURE(nth);
    const int64_t before = count(database);
    vfs.fail(kLogWrite, nth, ENOSPC);
    const io::Result<> inserted = insert(database, kRows);
    if (!vfs.has_failed()) break;
    REQUIRE_FALSE(inserted.has_value());
    CHECK(inserted.error().code == io::Errc::no_space);
    CHECK(count(database) == before);
    REQUIRE(insert(database, 1));
    Database copy = copy_of_files();
    CHECK(count(copy) == before + 1);
    CHECK(is_sound(copy));
  }
  CHECK(nth > 2);
}

TEST_CASE_FIXTURE(Fixture, "the log starts again behind a checkpoint, but not while somebody reads its old frames") {
  Database database = writer();
  Database checkpointer = open(Role::checkpointer);
  Database reader = open(Role::reader);
  for (int round = 0; round < 6; ++round) {
    const bool is_read = round % 2 == 1;
    REQUIRE(insert(database, 20));
    const int64_t rows = count(database);
    if (is_read) REQUIRE(reader.execute("BEGIN; SELECT count(*) FROM t", "read"));
    const WalFrames frames = *checkpointer.checkpoint(CheckpointMode::passive);
    CHECK(frames.in_log == frames.checkpointed);
    REQUIRE(insert(database, 1));
    if (is_read) {
      CHECK(count(reader) == rows);
      REQUIRE(reader.execute("COMMIT", "read"));
    }
    CHECK(count(reader) == rows + 1);
    CHECK((checkpointer.checkpoint(CheckpointMode::passive)->in_log > frames.in_log) == is_read);
    Database copy = copy_of_files();
    CHECK(count(copy) == rows + 1);
    CHECK(is_sound(copy));
  }
}

TEST_CASE_FIXTURE(Fixture, "where commits are not synced nothing is held: others read it from the log's file") {
  Database database = writer(Durability::process);
  Database reader = open(Role::reader, Durability::process);
  for (int round = 1; round <= 5; ++round) {
    REQUIRE(insert(database, 4));
    CHECK(count(reader) == 4 * round);
  }
  CHECK(vfs.count(kLogSync) == 0);
}

TEST_CASE_FIXTURE(Fixture, "where a write may harm the rest of its sector nothing is held: frames follow the sync") {
  vfs.powersafe_overwrite = false;
  Database database = writer();
  Database reader = open(Role::reader);
  for (int round = 1; round <= 20; ++round) {
    REQUIRE(insert(database, 1));
    CHECK(count(reader) == round);
    CHECK(is_sound(reader));
  }
}

TEST_CASE_FIXTURE(Fixture, "a checkpoint of much syncs the main file again and again, and ends when that fails") {
  Database database = writer();
  REQUIRE(insert(database, 1000));  // of 4,200 bytes: more than 4 MiB
  Database checkpointer = open(Role::checkpointer);
  constexpr unsigned kMainSync = FaultyVfs::sync | FaultyVfs::main_only;
  uint64_t syncs = vfs.count(kMainSync);
  vfs.fail(kMainSync, 2, EIO);
  const io::Result<WalFrames> failed = checkpointer.checkpoint(CheckpointMode::passive);
  REQUIRE(vfs.has_failed());
  REQUIRE_FALSE(failed.has_value());
  CHECK(failed.error().code == io::Errc::system);
  CHECK(failed.error().sys_errno == EIO);
  CHECK(vfs.count(kMainSync) == syncs + 3);

  syncs = vfs.count(kMainSync);
  const io::Result<WalFrames> made = checkpointer.checkpoint(CheckpointMode::passive);
  REQUIRE(made.has_value());
  CHECK(made->checkpointed == made->in_log);
  CHECK(vfs.count(kMainSync) >= syncs + 4);
  CHECK(is_sound(checkpointer));
  CHECK(count(checkpointer) == 1000);
}

TEST_CASE_FIXTURE(Fixture, "where commits are not synced no checkpoint is") {
  Database database = writer(Durability::process);
  REQUIRE(insert(database, 1000));
  Database checkpointer = open(Role::checkpointer, Durability::process);
  CHECK(checkpointer.checkpoint(CheckpointMode::passive).has_value());
  CHECK(vfs.syncs() == 0);
}

TEST_CASE("there is no layer over a VFS that is not there") {
  CHECK(VfsLayer::over("no such vfs", VfsLayer::Kind::log_writes) == nullptr);
  CHECK(VfsLayer::over("", VfsLayer::Kind::main_file_syncs) != nullptr);
}

}  // namespace
}  // namespace ringdrop::db
