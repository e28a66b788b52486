// What damage of the catalogue, by hand, does to who asks for a link, and to the sweeper.
#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "tests/db/faulty_fixture.h"

namespace ringdrop::db {
namespace {

struct Fixture : test::FaultyFixture {
  // By another program, while no catalogue is open.
  void change(const char* sql) {
    OpenOptions how;
    how.path = options().path;
    how.role = Role::writer;
    Database vandal = *Database::open(how);
    REQUIRE(vandal.execute(sql, "damage"));
  }
  // Its root; from the log it would be mended.
  void damage_page_of(const char* table) {
    OpenOptions how;
    how.path = options().path;
    how.role = Role::checkpointer;
    Database database = *Database::open(how);
    REQUIRE(database.checkpoint(CheckpointMode::truncate).has_value());
    const std::string root = fmt::format("SELECT rootpage FROM sqlite_schema WHERE name = '{}'", table);
    const int64_t page = *database.read_int64(root.c_str(), "find the table");
    const int64_t page_bytes = *database.read_int64("PRAGMA page_size", "read the page size");
    std::FILE* const file = std::fopen(options().path.c_str(), "r+b");
    REQUIRE(file != nullptr);
    REQUIRE(std::fseek(file, (page - 1) * page_bytes, SEEK_SET) == 0);
    const std::string garbage(static_cast<std::size_t>(page_bytes), '\xff');
    REQUIRE(std::fwrite(garbage.data(), 1, garbage.size(), file) == garbage.size());
    REQUIRE(std::fclose(file) == 0);
  }
};

TEST_CASE_FIXTURE(Fixture, "a page that is damaged ends all writing, and what is readable is read") {
  {
    test::SteppedCatalogue parts(options(), loop);
    for (const auto& outcome : insert_three(parts, 10)) REQUIRE(outcome->has_value());
  }
  damage_page_of("links");
  test::SteppedCatalogue parts(options(), loop);
  CHECK(parts.catalogue.state() == CatalogueState::sound);
  const auto found = loop.run(parts.catalogue.find(loop.loop(), test::make_link(10).token, test::kNow));
  REQUIRE_FALSE(found.has_value());
  CHECK(found.error().code == io::Errc::corrupt);
  CHECK(parts.catalogue.state() == CatalogueState::damaged);
  CHECK_FALSE(parts.catalogue.failed());
  for (const auto& outcome : insert_three(parts, 20)) CHECK(outcome->error().code == io::Errc::corrupt);
  CHECK(parts.catalogue.wal_bytes() == 0);
  CHECK(probe(parts)->error().code == io::Errc::corrupt);
  CHECK(loop.run(parts.catalogue.files_between(loop.loop(), 0, INT64_MAX))->size() > 0);
}

TEST_CASE_FIXTURE(Fixture, "a link that has its only extent in its row is found whatever happens to other tables") {
  {
    test::SteppedCatalogue parts(options(), loop);
    for (const auto& outcome : insert_three(parts, 10)) REQUIRE(outcome->has_value());
  }
  damage_page_of("extents");
  damage_page_of("contents");
  test::SteppedCatalogue parts(options(), loop);
  const auto found = loop.run(parts.catalogue.find(loop.loop(), test::make_link(10).token, test::kNow));
  REQUIRE(found.has_value());
  REQUIRE(found->has_value());
  CHECK(test::same(**found, test::make_link(10)));
}

TEST_CASE_FIXTURE(Fixture, "a link whose extents or content do not add up is corrupt, and can be removed") {
  {
    test::SteppedCatalogue parts(options(), loop);
    const std::array links{test::make_link_of_two(1, 100),  test::make_link(2), test::make_small_link(3, "abc"),
                           test::make_small_link(4, "abc"), test::make_link(5), test::make_link(6)};
    for (const auto& outcome : insert(parts, links)) REQUIRE(outcome->has_value());
  }
  change("UPDATE extents SET length = 4 WHERE file = 1");
  change("UPDATE links SET file = NULL WHERE file = 2");
  change("UPDATE contents SET bytes = x'6162' WHERE link = 3");
  change("DELETE FROM contents WHERE link = 4");
  change("UPDATE links SET checksums = x'00' WHERE file = 5");
  change("UPDATE links SET size = 6 WHERE file = 6");
  test::CatalogueFixture parts(options(), loop);
  Catalogue& catalogue = parts.catalogue;
  for (const uint64_t number : {1U, 2U, 3U, 4U, 5U, 6U}) {
    const std::string token = test::make_link(number).token;
    const auto found = loop.run(catalogue.find(loop.loop(), token, test::kNow));
    REQUIRE_FALSE(found.has_value());
    CHECK(found.error().code == io::Errc::corrupt);
    const auto removed = loop.run(test::end_and_remove(catalogue, loop.loop(), token));
    REQUIRE(removed.has_value());
    CHECK(*removed);
    CHECK_FALSE(loop.run(catalogue.find(loop.loop(), token, test::kNow))->has_value());
  }
  CHECK_FALSE(catalogue.failed());
}

TEST_CASE_FIXTURE(Fixture, "links that have a file in common end, all of them, and the file is garbage once") {
  {
    test::SteppedCatalogue parts(options(), loop);
    for (const auto& outcome : insert_three(parts, 1)) REQUIRE(outcome->has_value());
  }
  change("INSERT INTO extents VALUES (1, 2, 1, 5, x''), (2, 2, 2, 5, x'')");
  test::CatalogueFixture parts(options(), loop);
  for (const uint64_t number : {1U, 2U, 3U}) {
    const auto removed = loop.run(test::end_and_remove(parts.catalogue, loop.loop(), test::make_link(number).token));
    REQUIRE(removed.has_value());
    CHECK(*removed);
  }
  CHECK(*loop.run(parts.catalogue.garbage(loop.loop(), 100)) == std::vector<uint64_t>{1, 2, 3});
}

}  // namespace
}  // namespace ringdrop::db
