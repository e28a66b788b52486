#include "db/migrations.h"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "db/catalogue_audit.h"
#include "db/link_table.h"
#include "tests/db/catalogue_fixture.h"

namespace ringdrop::db {
namespace {

Database open(const std::string& path) {
  OpenOptions options;
  options.path = path;
  options.role = Role::writer;
  return *Database::open(options);
}

int64_t read(Database& database, const char* sql) {
  const io::Result<int64_t> value = database.read_int64(sql, "read");
  REQUIRE(value.has_value());
  return *value;
}

TEST_CASE("an empty file gets all tables and the newest number; a second time changes nothing") {
  const test::TemporaryDirectory directory;
  Database database = open(directory.file("db"));
  REQUIRE(migrate(database));
  const auto newest = static_cast<int64_t>(catalogue_migrations().size());
  CHECK(read(database, "PRAGMA user_version") == newest);
  CHECK(read(database, "SELECT count(*) FROM links") == 0);
  CHECK(read(database, "SELECT count(*) FROM extents") == 0);
  const int64_t schema_version = read(database, "PRAGMA schema_version");
  const io::Result<bool> again = migrate(database);
  REQUIRE(again.has_value());
  CHECK_FALSE(*again);
  CHECK(read(database, "PRAGMA schema_version") == schema_version);
}

TEST_CASE("only the steps that a file has not seen are made, in order") {
  const test::TemporaryDirectory directory;
  Database database = open(directory.file("db"));
  const std::vector<const char*> old = {"CREATE TABLE a (x); INSERT INTO a VALUES (1)"};
  const std::vector<const char*> both = {old[0], "UPDATE a SET x = x + 10"};
  REQUIRE(migrate(database, old));
  CHECK(read(database, "PRAGMA user_version") == 1);
  REQUIRE(migrate(database, both));
  CHECK(read(database, "PRAGMA user_version") == 2);
  CHECK(read(database, "SELECT x FROM a") == 11);
}

TEST_CASE("a step that fails leaves nothing of itself, and the steps before it") {
  const test::TemporaryDirectory directory;
  Database database = open(directory.file("db"));
  const std::vector<const char*> steps = {
      "CREATE TABLE a (x); INSERT INTO a VALUES (1)",
      "UPDATE a SET x = 2; INSERT INTO no_such_table VALUES (1)",
  };
  CHECK_FALSE(migrate(database, steps).has_value());
  CHECK_FALSE(database.in_transaction());
  CHECK(read(database, "PRAGMA user_version") == 1);
  CHECK(read(database, "SELECT x FROM a") == 1);
}

TEST_CASE("a link of an older file has its extents, in their order, whichever version the file was of") {
  for (std::size_t version = 1; version <= catalogue_migrations().size(); ++version) {
    CAPTURE(version);
    const test::TemporaryDirectory directory;
    Database database = open(directory.file("db"));
    REQUIRE(migrate(database, catalogue_migrations().first(version)));
    REQUIRE(
        database.execute("INSERT INTO links (token, name, content_type, size, created_at_ms)"
                         " VALUES ('a token', x'61', 'text/plain', 7, 1);"
                         "INSERT INTO extents VALUES (20, 1, 0, 3, zeroblob(16)), (10, 1, 1, 4, zeroblob(32))",
                         "make"));
    if (version < catalogue_migrations().size()) {
      REQUIRE(
          database.execute("INSERT INTO links (token, name, content_type, size, created_at_ms)"
                           " VALUES ('of one file', x'62', 'text/plain', 5, 2);"
                           "INSERT INTO extents VALUES (30, 2, 0, 5, zeroblob(16))",
                           "make"));
    }
    REQUIRE(migrate(database));
    const auto numbers = LinkNumbers::open(database, LinkNumbers::Key{});
    REQUIRE(numbers.has_value());
    io::Result<LinkTable> links = LinkTable::prepare(database, **numbers);
    REQUIRE(links.has_value());
    const io::Result<std::optional<Link>> link = links->find("a token", test::kNow);
    REQUIRE(link.has_value());
    REQUIRE(link->has_value());
    REQUIRE((*link)->extents.size() == 2);
    CHECK((*link)->extents[0].file == 20);
    CHECK((*link)->extents[0].length_bytes == 3);
    CHECK((*link)->extents[1].file == 10);
    CHECK((*link)->extents[1].checksums == std::string(32, '\0'));
    if (version == catalogue_migrations().size()) continue;
    const std::optional<Link> of_one = *links->find("of one file", test::kNow);
    REQUIRE(of_one.has_value());
    REQUIRE(of_one->extents.size() == 1);
    CHECK(of_one->extents[0].file == 30);
    CHECK(of_one->extents[0].length_bytes == 5);
    CHECK(of_one->extents[0].checksums == std::string(16, '\0'));
  }
}

TEST_CASE("a link of an older file keeps all that it has, each in its place") {
  const test::TemporaryDirectory directory;
  Database database = open(directory.file("db"));
  REQUIRE(migrate(database, catalogue_migrations().first(6)));
  REQUIRE(database.execute(
      "INSERT INTO links VALUES (5, 'a token', x'61', 'text/plain', 7, 11, x'dd', 12, 13, 3, 2, x'25', x'51'),"
      " (9, 'another', x'62', 'text/css', 8, 21, x'ee', NULL, NULL, 4, 0, x'', x'');"
      "INSERT INTO contents VALUES (5, zeroblob(16), zeroblob(7))",
      "make"));
  REQUIRE(migrate(database));
  const auto numbers = LinkNumbers::open(database, LinkNumbers::Key{});
  REQUIRE(numbers.has_value());
  CHECK((*numbers)->has_unnumbered());
  io::Result<LinkTable> links = LinkTable::prepare(database, **numbers);
  const Link link = **links->find("a token", 0);
  CHECK(link.name == "a");
  CHECK(link.content_type == "text/plain");
  CHECK(link.size_bytes == 7);
  CHECK(link.created_at_ms == 11);
  CHECK(link.delete_hash == "\xdd");
  CHECK(link.expires_at_ms == 12);
  CHECK(link.max_downloads == 13);
  CHECK(link.downloads == 5);
  CHECK(link.sha256 == "\x25");
  CHECK(link.sha512 == "\x51");
  CHECK(read(database, "SELECT pending FROM links WHERE id = 5") == 2);
  CHECK(read(database, "SELECT link FROM tokens WHERE token = 'another'") == 9);
  CHECK(read(database, "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'links'") == 4);
  CHECK(*links->ended(12, 10) == std::vector<std::string>{});  // one is pending
  REQUIRE(links->settle_all_downloads());
  CHECK(*links->ended(12, 10) == std::vector<std::string>{"a token"});
}

std::vector<std::string> contradictions(Database& database, const std::string& path) {
  REQUIRE(LinkNumbers::open(database, LinkNumbers::Key{}).has_value());
  io::Result<CatalogueAudit> audit = CatalogueAudit::open(path);
  REQUIRE(audit.has_value());
  return *audit->contradictions(10);
}

TEST_CASE("a link's only extent moves into its row, and what is not sound is told as before") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("db");
  Database database = open(path);
  REQUIRE(migrate(database, catalogue_migrations().first(7)));
  REQUIRE(database.execute(
      "INSERT INTO links (id, token, name, content_type, size, created_at_ms) VALUES (1, 'one', x'', '', 7, 0),"
      " (2, 'two', x'', '', 7, 0), (3, 'other length', x'', '', 7, 0), (4, 'not the first', x'', '', 7, 0),"
      " (5, 'none', x'', '', 7, 0), (6, 'empty', x'', '', 0, 0), (7, 'both', x'', '', 7, 0);"
      "INSERT INTO tokens SELECT token, id FROM links;"
      "INSERT INTO extents VALUES (10, 1, 0, 7, zeroblob(16)), (20, 2, 0, 3, x''), (21, 2, 1, 4, x''),"
      " (30, 3, 0, 8, x''), (40, 4, 1, 7, x''), (60, 6, 0, 0, x''), (70, 7, 0, 7, x''), (90, 9, 0, 7, x'');"
      "INSERT INTO contents VALUES (7, zeroblob(16), zeroblob(7))",
      "make"));
  REQUIRE(migrate(database));
  CHECK(read(database, "SELECT count(*) FROM links") == 7);
  CHECK(read(database, "SELECT count(*) FROM all_extents") == 8);
  CHECK(read(database, "SELECT file FROM links WHERE id = 1 AND length = 7 AND checksums = zeroblob(16)") == 10);
  CHECK(read(database, "SELECT file FROM links WHERE id = 6 AND length = 0") == 60);
  CHECK(read(database, "SELECT count(*) FROM extents WHERE link IN (1, 3, 6, 7)") == 0);
  CHECK(read(database, "SELECT count(*) FROM extents WHERE link IN (2, 4, 9)") == 4);
  CHECK(contradictions(database, path) ==
        std::vector<std::string>{"link 5: it has neither extents nor content",
                                 "link 7: it has both extents and content", "link 3: its extent does not have its size",
                                 "link 4: its extents are not in one row",
                                 "file 90: it is an extent of a link that does not exist"});
}

TEST_CASE("a file that damage has given to two links keeps no catalogue from being taken over") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("db");
  {
    Database database = open(path);
    REQUIRE(migrate(database, catalogue_migrations().first(7)));
    REQUIRE(database.execute(
        "INSERT INTO links (id, token, name, content_type, size, created_at_ms) VALUES (1, 'one', x'', '', 7, 0),"
        " (2, 'two', x'', '', 7, 0);"
        "INSERT INTO tokens SELECT token, id FROM links;"
        "INSERT INTO extents VALUES (10, 1, 0, 7, x'')",
        "make"));
  }
  // A row of which its index knows nothing.
  test::change(
      path,
      "PRAGMA writable_schema = ON; CREATE TABLE kept AS SELECT * FROM sqlite_schema WHERE tbl_name = 'extents';"
      "DELETE FROM sqlite_schema WHERE tbl_name = 'extents' AND type = 'index';"
      "UPDATE sqlite_schema SET sql = replace(sql, ' UNIQUE', '') WHERE name = 'extents'");
  test::change(path, "INSERT INTO extents VALUES (10, 2, 0, 7, x'')");
  test::change(path,
               "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE tbl_name = 'extents';"
               "INSERT INTO sqlite_schema SELECT * FROM kept");
  Database database = open(path);
  REQUIRE(read(database, "SELECT count(*) FROM extents WHERE length = 7") == 2);
  REQUIRE(migrate(database));
  CHECK(read(database, "SELECT count(*) FROM all_extents WHERE file = 10") == 2);
  CHECK(contradictions(database, path) == std::vector<std::string>{"file 10: it is an extent of two links"});
}

TEST_CASE("rows that no version has made are called damage, and the old version stays") {
  const test::TemporaryDirectory directory;
  Database database = open(directory.file("db"));
  const std::vector<const char*> steps = {"CREATE TABLE a (x); INSERT INTO a VALUES (1), (1), (NULL)",
                                          "CREATE TABLE b (x UNIQUE); INSERT INTO b SELECT x FROM a"};
  CHECK(migrate(database, steps).error().code == io::Errc::corrupt);
  CHECK(read(database, "PRAGMA user_version") == 1);
  const std::vector<const char*> others = {steps[0], "CREATE TABLE b (x NOT NULL); INSERT INTO b SELECT x FROM a"};
  CHECK(migrate(database, others).error().code == io::Errc::corrupt);
  CHECK(read(database, "PRAGMA user_version") == 1);
}

TEST_CASE("who asks for extents by file or by link has both tables searched, and nothing copied or sorted") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("db");
  {
    Database database = open(path);
    REQUIRE(migrate(database));
  }
  sqlite3* connection = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &connection) == SQLITE_OK);
  for (const char* const sql :
       {"SELECT file FROM all_extents WHERE file BETWEEN 1 AND 2 ORDER BY file",
        "SELECT 1 FROM all_extents WHERE file = 1",
        "SELECT file, length, checksums, position FROM all_extents WHERE link = 1 ORDER BY position",
        "SELECT e.file, e.length, l.token FROM all_extents e LEFT JOIN links l ON l.id = e.link"
        " WHERE e.file BETWEEN 1 AND 2",
        "INSERT INTO garbage SELECT file FROM all_extents WHERE link = 1"}) {
    CAPTURE(sql);
    std::string plan;
    const auto add = [](void* text, int, char** columns, char**) {
      static_cast<std::string*>(text)->append(columns[3]).append("; ");
      return 0;
    };
    REQUIRE(sqlite3_exec(connection, (std::string("EXPLAIN QUERY PLAN ") + sql).c_str(), add, &plan, nullptr) ==
            SQLITE_OK);
    CAPTURE(plan);
    CHECK(plan.find("SEARCH links") != std::string::npos);
    CHECK(plan.find("SEARCH extents") != std::string::npos);
    for (const char* const costly : {"SCAN", "CO-ROUTINE", "MATERIALIZE", "TEMP B-TREE"}) {
      CHECK(plan.find(costly) == std::string::npos);
    }
  }
  sqlite3_close(connection);
}

TEST_CASE("a file of a newer version is refused and left as it is") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("db");
  {
    Database database = open(path);
    REQUIRE(database.execute("CREATE TABLE future (x); PRAGMA user_version=1000", "make"));
    const io::Result<bool> migrated = migrate(database);
    REQUIRE_FALSE(migrated.has_value());
    CHECK(migrated.error().code == io::Errc::refused);
    CHECK(io::describe(migrated.error()).find("newer version") != std::string::npos);
  }
  io::Log log(io::Log::Level::off);
  CatalogueOptions options;
  options.path = path;
  const auto file = CatalogueFile::open(options, log);
  REQUIRE_FALSE(file.has_value());
  CHECK(file.error().code == io::Errc::refused);
  Database database = open(path);
  CHECK(read(database, "PRAGMA user_version") == 1000);
  CHECK(read(database, "SELECT count(*) FROM sqlite_schema") == 1);
}

}  // namespace
}  // namespace ringdrop::db
