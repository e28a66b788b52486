// SQLite on the simulated disk: a real database in WAL mode with synchronous=FULL, power cuts at any write or sync, and
// what was committed must be there.
#include "tests/sim/sim_vfs.h"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"

namespace ringdrop::sim {
namespace {

constexpr uint64_t kDiskBytes = 64 * kMiB;

// One boot of a process: a world, its VFS and one connection.
class Boot {
 public:
  Boot(uint64_t seed, SimDisk& disk) : world_(seed, disk), vfs_(world_) {}
  Boot(const Boot&) = delete;
  Boot& operator=(const Boot&) = delete;
  ~Boot() { sqlite3_close(database_); }

  // From then on every write and sync fails, as after a power cut.
  void cut_power_after(uint64_t operations) {
    vfs_.fault = [this, operations] { return ++operations_ > operations; };
  }

  bool open() {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2("db/test.db", &database_, flags, vfs_.name().c_str()) != SQLITE_OK) return false;
    return run("PRAGMA journal_mode=WAL") && run("PRAGMA synchronous=FULL") && run("PRAGMA wal_autocheckpoint=8") &&
           run("CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, content TEXT NOT NULL)");
  }

  bool run(const std::string& sql) {
    return sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK;
  }

  // The first column of the first row.
  std::optional<std::string> ask(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(database_, sql, -1, &statement, nullptr) != SQLITE_OK) return std::nullopt;
    std::optional<std::string> answer;
    if (sqlite3_step(statement) == SQLITE_ROW) {
      answer = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
    }
    sqlite3_finalize(statement);
    return answer;
  }

 private:
  World world_;
  SimVfs vfs_;
  uint64_t operations_ = 0;
  sqlite3* database_ = nullptr;
};

// Content follows from the id, so that it can be checked by SQL alone.
std::string insert(int id) {
  return "INSERT INTO entry VALUES (" + std::to_string(id) + ", hex(zeroblob(" + std::to_string(id * 37 % 1500) +
         ")) || 'end')";
}

constexpr const char* kWrongRows = "SELECT count(*) FROM entry WHERE content <> hex(zeroblob(id * 37 % 1500)) || 'end'";

struct History {
  int committed = 0;  // rows whose COMMIT has returned
  int attempted = 0;  // and those of the transaction whose COMMIT has not
};

// Transactions of one to four rows, and a checkpoint now and then, until the power goes.
void work(Boot& boot, Random& chance, History& history) {
  for (;;) {
    if (chance.one_in(10) && !boot.run("PRAGMA wal_checkpoint(TRUNCATE)")) return;
    int next = history.committed;
    if (!boot.run("BEGIN IMMEDIATE")) return;
    for (uint64_t i = chance.between(1, 4); i > 0; --i) {
      if (!boot.run(insert(++next))) return;
    }
    history.attempted = next;
    if (!boot.run("COMMIT")) return;
    history.committed = next;
  }
}

struct Found {
  int rows = 0;
  int wrong_rows = 0;
  bool intact = false;
  bool opened = false;
};

Found look(Boot& boot) {
  Found found;
  found.opened = boot.open();
  if (!found.opened) return found;
  found.intact = boot.ask("PRAGMA integrity_check") == "ok";
  found.rows = std::stoi(boot.ask("SELECT coalesce(max(id), 0) FROM entry").value_or("-1"));
  const int count = std::stoi(boot.ask("SELECT count(*) FROM entry").value_or("-1"));
  found.wrong_rows = std::stoi(boot.ask(kWrongRows).value_or("-1"));
  if (count != found.rows) found.intact = false;
  return found;
}

// Several lives on one disk, each ended by a power cut. What the last look at the disk found, and what should be there.
struct Outcome {
  Found found;
  History history;
};

Outcome live(uint64_t seed, int lives, bool disk_lies) {
  SimDisk disk(kDiskBytes);
  Random chance(seed);
  CHECK_THAT(disk.make_directory(disk.root(), "db") == 0);
  disk.sync(*disk.root());
  disk.ignore_syncs(disk_lies);
  Outcome outcome;
  std::vector<std::unique_ptr<Boot>> dead;  // a dead process closes nothing: not before the disk has been looked at
  for (int life = 0; life < lives; ++life) {
    auto boot = std::make_unique<Boot>(chance.next(), disk);
    boot->cut_power_after(chance.below(200));
    if (boot->open()) work(*boot, chance, outcome.history);
    dead.push_back(std::move(boot));
    disk.crash(chance);

    Boot after(chance.next(), disk);
    outcome.found = look(after);
    const Found& found = outcome.found;
    if (!found.opened || !found.intact || found.rows < outcome.history.committed) return outcome;
    outcome.history.committed = found.rows;
  }
  return outcome;
}

}  // namespace

TEST_CASE("committed rows survive power cuts at any write or sync, and the database stays whole") {
  int rows = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    const auto [found, history] = live(seed, 3, false);
    REQUIRE(found.opened);
    CHECK(found.intact);
    CHECK(found.wrong_rows == 0);
    CHECK(found.rows >= history.committed);
    // A transaction is there as a whole or not at all.
    CHECK((found.rows == history.committed || found.rows == history.attempted));
    rows += found.rows;
  }
  CHECK(rows > 200 * 20);  // and there was something to lose
}

TEST_CASE("on a disk that ignores syncs rows get lost: so the test above can fail") {
  int damaged = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const auto [found, history] = live(seed, 3, true);
    if (!found.opened || !found.intact || found.wrong_rows > 0 || found.rows < history.committed) ++damaged;
  }
  CHECK(damaged > 10);
}

TEST_CASE("a database that was closed in peace is there as it was, without any crash") {
  SimDisk disk(kDiskBytes);
  REQUIRE(disk.make_directory(disk.root(), "db") == 0);
  for (int boots = 0; boots < 3; ++boots) {
    Boot boot(static_cast<uint64_t>(boots), disk);
    REQUIRE(boot.open());
    REQUIRE(boot.run(insert(boots + 1)));
    CHECK(boot.ask("SELECT count(*) FROM entry") == std::to_string(boots + 1));
    CHECK(boot.ask("PRAGMA journal_mode") == "wal");
    CHECK(boot.ask("PRAGMA integrity_check") == "ok");
  }
}

TEST_CASE("two connections of one boot see each other's commits, and a writer excludes the other") {
  SimDisk disk(kDiskBytes);
  REQUIRE(disk.make_directory(disk.root(), "db") == 0);
  World world(1, disk);
  const SimVfs vfs(world);
  sqlite3* first = nullptr;
  sqlite3* second = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  REQUIRE(sqlite3_open_v2("db/a.db", &first, flags, vfs.name().c_str()) == SQLITE_OK);
  REQUIRE(sqlite3_open_v2("db/a.db", &second, flags, vfs.name().c_str()) == SQLITE_OK);
  const auto run = [](sqlite3* on, const char* sql) { return sqlite3_exec(on, sql, nullptr, nullptr, nullptr); };
  CHECK(run(first, "PRAGMA journal_mode=WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)") == SQLITE_OK);
  CHECK(run(second, "INSERT INTO t SELECT x FROM t") == SQLITE_OK);
  CHECK(run(first, "BEGIN IMMEDIATE") == SQLITE_OK);
  CHECK(run(second, "INSERT INTO t VALUES (2)") == SQLITE_BUSY);
  CHECK(run(second, "SELECT * FROM t") == SQLITE_OK);  // a reader does not wait
  CHECK(run(first, "COMMIT") == SQLITE_OK);
  CHECK(run(second, "INSERT INTO t VALUES (2)") == SQLITE_OK);
  sqlite3_close(first);
  sqlite3_close(second);
}

}  // namespace ringdrop::sim
