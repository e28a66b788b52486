#include "db/sqlite.h"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <cerrno>
#include <fstream>
#include <optional>
#include <string>

#include "db/transaction.h"
#include "tests/db/catalogue_fixture.h"

namespace ringdrop::db {
namespace {

Database open(const std::string& path, Role role, Durability durability = Durability::full) {
  OpenOptions options;
  options.path = path;
  options.role = role;
  options.durability = durability;
  options.wal_limit_bytes = 65536;
  io::Result<Database> database = Database::open(options);
  REQUIRE_MESSAGE(database.has_value(), io::describe(database.error()));
  return *std::move(database);
}

int64_t pragma(Database& database, const std::string& name) {
  const io::Result<int64_t> value = database.read_int64(("PRAGMA " + name).c_str(), "pragma");
  REQUIRE(value.has_value());
  return *value;
}

TEST_CASE("every role gets its pragmas, and durability is the synchronous that was asked for") {
  for (const Durability durability : {Durability::full, Durability::process}) {
    const test::TemporaryDirectory directory;
    const std::string path = directory.file("catalogue");
    Database writer = open(path, Role::writer, durability);
    Database reader = open(path, Role::reader, durability);
    Database checkpointer = open(path, Role::checkpointer, durability);
    for (Database* const database : {&writer, &reader, &checkpointer}) {
      CHECK(pragma(*database, "synchronous") == (durability == Durability::full ? 2 : 0));
      CHECK(pragma(*database, "foreign_keys") == 0);
      CHECK(pragma(*database, "cell_size_check") == 1);
      CHECK(pragma(*database, "trusted_schema") == 0);
      CHECK(pragma(*database, "temp_store") == 2);
      CHECK(pragma(*database, "busy_timeout") == 5000);
      CHECK(pragma(*database, "cache_size") == -16384);
      Statement mode = *Statement::prepare(*database, "PRAGMA journal_mode", "pragma");
      Statement::Use use = mode.use();
      CHECK(use.step() == true);
      CHECK(use.column_text(0) == "wal");
      Statement mapped = *Statement::prepare(*database, "PRAGMA mmap_size", "pragma");
      Statement::Use mapped_use = mapped.use();
      if (*mapped_use.step()) CHECK(mapped_use.column(0) == 0);
    }
    CHECK(pragma(writer, "wal_autocheckpoint") == 0);
    CHECK(pragma(writer, "journal_size_limit") == 65536);
    CHECK_FALSE(reader.execute("CREATE TABLE t (a)", "write").has_value());
  }
}

TEST_CASE("integers, text and blobs come back as they were bound, empty and NUL bytes too") {
  const test::TemporaryDirectory directory;
  Database database = open(directory.file("db"), Role::writer);
  REQUIRE(database.execute("CREATE TABLE t (i INTEGER NOT NULL, s TEXT NOT NULL, b BLOB NOT NULL)", "create"));
  Statement insert = *Statement::prepare(database, "INSERT INTO t VALUES (?1, ?2, ?3)", "insert");
  const std::string odd("a\0\xff\x80z", 5);
  {
    Statement::Use use = insert.use();
    CHECK(use.bind(1, INT64_MIN).bind_text(2, "t\xc3\xbc").bind_blob(3, odd).run());
  }
  {
    Statement::Use use = insert.use();
    CHECK(use.bind(1, INT64_MAX).bind_text(2, {}).bind_blob(3, {}).run());
  }
  {
    // Bindings do not outlive their use.
    Statement::Use use = insert.use();
    const io::Result<> unbound = use.run();
    REQUIRE_FALSE(unbound.has_value());
    CHECK(unbound.error().code == io::Errc::refused);
    CHECK(database.last_error().find("NOT NULL") != std::string::npos);
  }
  {
    Statement::Use use = insert.use();
    CHECK_FALSE(use.bind(4, 0).run().has_value());  // there is no parameter 4
  }
  Statement select = *Statement::prepare(database, "SELECT i, s, b FROM t ORDER BY i", "select");
  Statement::Use use = select.use();
  REQUIRE(use.step() == true);
  CHECK(use.column(0) == INT64_MIN);
  CHECK(use.column_text(1) == "t\xc3\xbc");
  CHECK(use.column_blob(2) == odd);
  REQUIRE(use.step() == true);
  CHECK(use.column(0) == INT64_MAX);
  CHECK(use.column_text(1).empty());
  CHECK(use.column_blob(2).empty());
  CHECK(use.step() == false);
}

TEST_CASE("a transaction is undone unless it is committed; a savepoint unless it is kept") {
  const test::TemporaryDirectory directory;
  Database database = open(directory.file("db"), Role::writer);
  REQUIRE(database.execute("CREATE TABLE t (i INTEGER PRIMARY KEY)", "create"));
  Savepoint::Statements savepoints = *Savepoint::Statements::prepare(database);
  const auto insert = [&](const char* sql) { CHECK(database.execute(sql, "insert")); };
  {
    Transaction transaction = *Transaction::begin(database);
    insert("INSERT INTO t VALUES (1)");
  }
  CHECK_FALSE(database.in_transaction());
  CHECK(database.read_int64("SELECT count(*) FROM t", "count") == 0);
  {
    Transaction transaction = *Transaction::begin(database);
    {
      Savepoint kept = *Savepoint::begin(database, savepoints);
      insert("INSERT INTO t VALUES (2)");
      CHECK(kept.keep());
    }
    {
      Savepoint undone = *Savepoint::begin(database, savepoints);
      insert("INSERT INTO t VALUES (3)");
    }
    insert("INSERT INTO t VALUES (4)");
    CHECK(transaction.commit());
  }
  CHECK(database.read_int64("SELECT count(*) FROM t", "count") == 2);
  CHECK(database.read_int64("SELECT sum(i) FROM t", "sum") == 6);
  CHECK(database.execute("INSERT INTO t VALUES (2)", "insert").error().code == io::Errc::exists);
}

TEST_CASE("an update tells how many rows it has found, changed or not") {
  const test::TemporaryDirectory directory;
  Database database = open(directory.file("db"), Role::writer);
  REQUIRE(
      database.execute("CREATE TABLE t (i INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (7, 70)", "create"));
  Statement update = *Statement::prepare(database, "UPDATE t SET n = ?2 WHERE i = ?1", "update");
  const auto rows_of = [&](int64_t id, int64_t number) {
    Statement::Use use = update.use();
    REQUIRE(use.bind(1, id).bind(2, number).run());
    return use.updated_rows();
  };
  CHECK(rows_of(7, 71) == 1);
  CHECK(rows_of(7, 71) == 1);
  CHECK(rows_of(9, 72) == 0);
}

TEST_CASE("of changes that are kept until their commit the log has nothing when they are undone, however many pages") {
  const test::TemporaryDirectory directory;
  Database database = open(directory.file("db"), Role::writer);
  REQUIRE(database.execute("CREATE TABLE t (b BLOB NOT NULL)", "create"));
  const auto log_bytes = [&] { return std::filesystem::file_size(directory.file("db-wal")); };
  const auto change_and_undo = [&] {
    const Transaction undone = *Transaction::begin(database);
    CHECK(database.execute("INSERT INTO t VALUES (zeroblob(20000000))", "insert"));
  };
  const uintmax_t before = log_bytes();
  REQUIRE(database.keep_changes_until_commit());
  change_and_undo();
  CHECK(log_bytes() == before);
  // They are more than the cache takes.
  REQUIRE(database.execute("PRAGMA cache_spill=ON", "pragma"));
  change_and_undo();
  CHECK(log_bytes() > before);
}

TEST_CASE("what is no database is corrupt; what cannot be opened is a system error") {
  const test::TemporaryDirectory directory;
  OpenOptions options;
  options.path = directory.file("text");
  std::ofstream(options.path) << std::string(10'000, 'x');
  for (const Role role : {Role::writer, Role::reader, Role::checkpointer}) {
    options.role = role;
    const io::Result<Database> database = Database::open(options);
    if (role == Role::reader && database) continue;  // it has not looked yet
    REQUIRE_FALSE(database.has_value());
    CHECK(database.error().code == io::Errc::corrupt);
  }
  options.path = directory.file("no/such/directory");
  options.role = Role::writer;
  const io::Result<Database> missing = Database::open(options);
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().code == io::Errc::system);
  CHECK(missing.error().sys_errno == ENOENT);
  options.path = directory.file("db");
  options.vfs = "no such vfs";
  CHECK_FALSE(Database::open(options).has_value());
}

TEST_CASE("a path that looks like a URI is a path") {
  const test::TemporaryDirectory directory;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory.file("."));
  {
    Database database = open("file:x?mode=memory", Role::writer);
    CHECK(std::filesystem::exists("file:x?mode=memory"));
  }
  std::filesystem::current_path(before);
}

TEST_CASE("every kind of SQLite failure has its error code") {
  struct Row {
    int code;
    int sys_errno;
    io::Errc expected;
  };
  const Row rows[] = {
      {SQLITE_FULL, 0, io::Errc::no_space},
      {SQLITE_IOERR_WRITE, EDQUOT, io::Errc::no_space},
      {SQLITE_IOERR_WRITE, EFBIG, io::Errc::no_space},
      {SQLITE_IOERR_WRITE, EIO, io::Errc::system},
      {SQLITE_IOERR_READ, ENOENT, io::Errc::system},  // never not_found
      {SQLITE_CANTOPEN, ENOENT, io::Errc::system},
      {SQLITE_CANTOPEN, EMFILE, io::Errc::exhausted},
      {SQLITE_IOERR_FSYNC, EIO, io::Errc::system},
      {SQLITE_IOERR_FSYNC, ENOSPC, io::Errc::system},     // bytes are lost, whatever the reason
      {SQLITE_IOERR_SHMSIZE, ENOSPC, io::Errc::system},   // behind the sync of a commit
      {SQLITE_IOERR_NOMEM, ENOSPC, io::Errc::exhausted},  // the errno is of something earlier
      {SQLITE_CORRUPT_INDEX, 0, io::Errc::corrupt},
      {SQLITE_CORRUPT, EIO, io::Errc::system},  // a read that failed
      {SQLITE_NOTADB, 0, io::Errc::corrupt},
      {SQLITE_BUSY_SNAPSHOT, 0, io::Errc::exhausted},
      {SQLITE_LOCKED, 0, io::Errc::exhausted},
      {SQLITE_NOMEM, 0, io::Errc::exhausted},
      {SQLITE_CONSTRAINT_UNIQUE, 0, io::Errc::exists},
      {SQLITE_CONSTRAINT_PRIMARYKEY, 0, io::Errc::exists},
      {SQLITE_CONSTRAINT_NOTNULL, 0, io::Errc::refused},
      {SQLITE_READONLY_DBMOVED, 0, io::Errc::system},
      {SQLITE_ERROR, 0, io::Errc::system},
  };
  for (const Row& row : rows) {
    CAPTURE(row.code);
    CHECK(error_from_sqlite(row.code, row.sys_errno, "test").code == row.expected);
  }
}

}  // namespace
}  // namespace ringdrop::db
