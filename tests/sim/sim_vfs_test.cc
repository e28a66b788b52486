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
#include "db/vfs_layer.h"

namespace ringdrop::sim {
namespace {

constexpr uint64_t kDiskBytes = 64 * kMiB;

// What lies between SQLite and the disk, and how much is written.
struct Kind {
  bool has_layers;           // those of the catalogue
  int most_bytes;            // of a row
  uint64_t most_operations;  // until the power goes
  const char* checkpoint;
};

constexpr Kind kBare{false, 1'500, 200, "PRAGMA wal_checkpoint(TRUNCATE)"};
// A commit may be more than one write, and a checkpoint more than one sync.
constexpr Kind kLayered{true, 100'000, 2'000, "PRAGMA wal_checkpoint(PASSIVE)"};

// One boot of a process: a world, its VFS and one connection that writes and one that makes checkpoints.
class Boot {
 public:
  Boot(uint64_t seed, SimDisk& disk, const Kind& kind) : world_(seed, disk), vfs_(world_), kind_(kind) {
    if (!kind.has_layers) return;
    log_writes_ = db::VfsLayer::over(vfs_.name(), db::VfsLayer::Kind::log_writes);
    main_file_syncs_ = db::VfsLayer::over(vfs_.name(), db::VfsLayer::Kind::main_file_syncs);
  }
  Boot(const Boot&) = delete;
  Boot& operator=(const Boot&) = delete;
  ~Boot() {
    sqlite3_close(checkpointer_);
    sqlite3_close(database_);
  }

  // From then on every write and sync fails, as after a power cut.
  void cut_power_after(uint64_t operations) {
    vfs_.fault = [this, operations] { return ++operations_ > operations; };
  }

  bool open() {
    return open(database_, log_writes_) && run("PRAGMA journal_mode=WAL") &&
           run(kind_.has_layers ? "PRAGMA cache_spill=OFF" : "PRAGMA wal_autocheckpoint=8") &&
           run("CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, content TEXT NOT NULL)") &&
           open(checkpointer_, main_file_syncs_);
  }

  bool run(const std::string& sql) { return run_on(database_, sql); }
  bool make_checkpoint() { return run_on(checkpointer_, kind_.checkpoint); }

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
  bool open(sqlite3*& connection, const std::unique_ptr<db::VfsLayer>& layer) {
    const std::string& vfs = layer ? layer->name() : vfs_.name();
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    return sqlite3_open_v2("db/test.db", &connection, flags, vfs.c_str()) == SQLITE_OK &&
           run_on(connection, "PRAGMA synchronous=FULL") &&
           (!kind_.has_layers || run_on(connection, "PRAGMA wal_autocheckpoint=0"));
  }
  static bool run_on(sqlite3* connection, const std::string& sql) {
    return sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK;
  }

  World world_;
  SimVfs vfs_;
  const Kind& kind_;
  std::unique_ptr<db::VfsLayer> log_writes_;
  std::unique_ptr<db::VfsLayer> main_file_syncs_;
  uint64_t operations_ = 0;
  sqlite3* database_ = nullptr;
  sqlite3* checkpointer_ = nullptr;
};

// Content follows from the id, so that it can be checked by SQL alone.
std::string content_of(const std::string& id, const Kind& kind) {
  return "hex(zeroblob(" + id + " * 7919 % " + std::to_string(kind.most_bytes) + ")) || 'end' || " + id;
}

std::string insert(int id, const Kind& kind) {
  const std::string number = std::to_string(id);
  return "INSERT INTO entry VALUES (" + number + ", " + content_of(number, kind) + ")";
}

struct History {
  int committed = 0;  // rows whose COMMIT has returned
  int attempted = 0;  // and those of the transaction whose COMMIT has not
};

// Transactions of one to four rows, and a checkpoint now and then, until the power goes.
void work(Boot& boot, const Kind& kind, Random& chance, History& history) {
  for (;;) {
    if (chance.one_in(10) && !boot.make_checkpoint()) return;
    int next = history.committed;
    if (!boot.run("BEGIN IMMEDIATE")) return;
    for (uint64_t i = chance.between(1, 4); i > 0; --i) {
      if (!boot.run(insert(++next, kind))) return;
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

Found look(Boot& boot, const Kind& kind) {
  Found found;
  found.opened = boot.open();
  if (!found.opened) return found;
  found.intact = boot.ask("PRAGMA integrity_check") == "ok";
  found.rows = std::stoi(boot.ask("SELECT coalesce(max(id), 0) FROM entry").value_or("-1"));
  const int count = std::stoi(boot.ask("SELECT count(*) FROM entry").value_or("-1"));
  const std::string wrong = "SELECT count(*) FROM entry WHERE content <> " + content_of("id", kind);
  found.wrong_rows = std::stoi(boot.ask(wrong.c_str()).value_or("-1"));
  if (count != found.rows) found.intact = false;
  return found;
}

// Several lives on one disk, each ended by a power cut. What the last look at the disk found, and what should be there.
struct Outcome {
  Found found;
  History history;
};

Outcome live(const Kind& kind, uint64_t seed, int lives, bool disk_lies) {
  SimDisk disk(kDiskBytes);
  Random chance(seed);
  CHECK_THAT(disk.make_directory(disk.root(), "db") == 0);
  disk.sync(*disk.root());
  disk.ignore_syncs(disk_lies);
  Outcome outcome;
  std::vector<std::unique_ptr<Boot>> dead;  // a dead process closes nothing: not before the disk has been looked at
  for (int life = 0; life < lives; ++life) {
    auto boot = std::make_unique<Boot>(chance.next(), disk, kind);
    boot->cut_power_after(chance.below(kind.most_operations));
    if (boot->open()) work(*boot, kind, chance, outcome.history);
    dead.push_back(std::move(boot));
    disk.crash(chance);

    Boot after(chance.next(), disk, kind);
    outcome.found = look(after, kind);
    const Found& found = outcome.found;
    if (!found.opened || !found.intact || found.rows < outcome.history.committed) return outcome;
    outcome.history.committed = found.rows;
  }
  return outcome;
}

void survive(const Kind& kind, uint64_t seeds) {
  int rows = 0;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    const auto [found, history] = live(kind, seed, 3, false);
    REQUIRE(found.opened);
    CHECK(found.intact);
    CHECK(found.wrong_rows == 0);
    CHECK(found.rows >= history.committed);
    // A transaction is there as a whole or not at all.
    CHECK((found.rows == history.committed || found.rows == history.attempted));
    rows += found.rows;
  }
  CHECK(rows > static_cast<int>(seeds) * 20);  // and there was something to lose
}

}  // namespace

TEST_CASE("committed rows survive power cuts at any write or sync, and the database stays whole") {
  survive(kBare, 200);
}

TEST_CASE("so they do when a commit is written at once and a checkpoint synced in parts") {
  survive(kLayered, 30);
}

TEST_CASE("on a disk that ignores syncs rows get lost: so the tests above can fail") {
  for (const Kind* const kind : {&kBare, &kLayered}) {
    CAPTURE(kind->has_layers);
    int damaged = 0;
    for (uint64_t seed = 1; seed <= 50; ++seed) {
      const auto [found, history] = live(*kind, seed, 3, true);
      if (!found.opened || !found.intact || found.wrong_rows > 0 || found.rows < history.committed) ++damaged;
    }
    CHECK(damaged > 10);
  }
}

TEST_CASE("a database that was closed in peace is there as it was, without any crash") {
  SimDisk disk(kDiskBytes);
  REQUIRE(disk.make_directory(disk.root(), "db") == 0);
  for (int boots = 0; boots < 3; ++boots) {
    Boot boot(static_cast<uint64_t>(boots), disk, kBare);
    REQUIRE(boot.open());
    REQUIRE(boot.run(insert(boots + 1, kBare)));
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
