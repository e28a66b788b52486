// The catalogue as fsck, scrub and backup see it, and what they take out of it.
#include "db/catalogue_audit.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "db/catalogue_surgery.h"
#include "tests/db/catalogue_fixture.h"

namespace ringdrop::db {
namespace {

using test::change;
using Patient = CatalogueSurgery::Patient;

Upload make_upload(char id, std::optional<uint64_t> file, UploadState state = UploadState::open) {
  Upload upload;
  upload.id_hash = std::string(32, id);
  upload.file = file;
  upload.state = state;
  upload.length = 77;
  return upload;
}

struct Fixture {
  test::TemporaryDirectory directory;
  test::LoopFixture loop;
  std::string path = directory.file("catalogue.sqlite");
  std::optional<test::CatalogueFixture> parts;

  // A running server: three links with the files 1, 2 and 5000, an unfinished upload with 3, a part with 4.
  Fixture() {
    CatalogueOptions options;
    options.path = path;
    parts.emplace(options, loop);
    for (const uint64_t number : {1U, 2U, 5000U}) insert(test::make_link(number));
    insert_upload(make_upload('o', 3));
    insert_upload(make_upload('p', 4, UploadState::complete));
    insert_upload(make_upload('e', std::nullopt, UploadState::expired));
  }
  void insert(const Link& link) { REQUIRE(loop.run(parts->catalogue.insert(loop.loop(), link))); }
  void insert_upload(const Upload& upload) { REQUIRE(loop.run(parts->catalogue.insert_upload(loop.loop(), upload))); }
  void remove(const Link& link) { REQUIRE(loop.run(test::end_and_remove(parts->catalogue, loop.loop(), link.token))); }
};

CatalogueAudit audit_of(const std::string& path) {
  io::Result<CatalogueAudit> audit = CatalogueAudit::open(path);
  REQUIRE_MESSAGE(audit.has_value(), io::describe(audit.error()));
  return *std::move(audit);
}

std::vector<uint64_t> files_of(CatalogueAudit& audit) {
  std::vector<uint64_t> files;
  const std::vector<FileRow> rows = audit.files_between(0, UINT64_MAX).value();
  for (const FileRow& row : rows) files.push_back(row.file);
  return files;
}

}  // namespace

TEST_CASE("each file has its owner, beside a server and at the moment of the question") {
  Fixture fixture;
  CatalogueAudit audit = audit_of(fixture.path);
  const std::vector<FileRow> rows = audit.files_between(2, 4).value();
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].owner == FileRow::link);
  CHECK(rows[0].length_bytes == 5);
  CHECK(rows[0].checksum_bytes == kChecksumBytes);
  CHECK(rows[0].token == test::make_link(2).token);
  CHECK(rows[1].owner == FileRow::upload);
  CHECK(rows[1].is_open);
  CHECK(rows[2].owner == FileRow::upload);
  CHECK_FALSE(rows[2].is_open);
  CHECK(rows[2].length_bytes == 77);
  CHECK(audit.next_file(5).value() == 5000);
  CHECK(audit.next_file(5001).value() == std::nullopt);
  CHECK(audit.totals()->links == 3);
  CHECK(audit.totals()->bytes == 15);

  fixture.remove(test::make_link(2));
  CHECK(audit.files_between(2, 2)->front().owner == FileRow::garbage);
  CHECK(audit.totals()->links == 2);
  CHECK_FALSE(audit.has_content().value());
  fixture.insert(test::make_small_link(20, ""));
  CHECK(audit.has_content().value());
}

TEST_CASE("links come one after the other, with their extents in order, or their content") {
  Fixture fixture;
  fixture.insert(test::make_small_link(20, "small"));
  Link two = test::make_link(7);
  two.extents.push_back(two.extents.front());
  two.extents.front().file = 9;
  two.size_bytes = 10;
  fixture.insert(two);
  CatalogueAudit audit = audit_of(fixture.path);
  std::vector<std::string> tokens;
  for (int64_t from = 0;;) {
    const std::optional<NumberedLink> link = audit.next_link(from).value();
    if (!link) break;
    tokens.push_back(link->link.token);
    from = link->id + 1;
    CHECK(link->link.content.has_value() == link->link.extents.empty());
    if (link->link.content) CHECK(link->link.content->bytes == "small");
    if (link->link.token != two.token) continue;
    REQUIRE(link->link.extents.size() == 2);
    CHECK(link->link.extents[0].file == 9);
    CHECK(link->link.extents[1].file == 7);
  }
  CHECK(tokens.size() == 5);
}

TEST_CASE("a sound catalogue contradicts itself nowhere, and each contradiction is named") {
  Fixture fixture;
  for (const uint64_t number : {20U, 21U, 22U}) fixture.insert(test::make_small_link(number, "small"));
  for (const uint64_t number : {40U, 50U}) fixture.insert(test::make_link_of_two(number, number + 1));
  // The ids of links: 1, 2 and 3 of the fixture, 4, 5 and 6 with content, 7 and 8 of two extents.
  CatalogueAudit audit = audit_of(fixture.path);
  CHECK(audit.damage()->empty());
  CHECK(audit.contradictions(10)->empty());
  struct One {
    const char* sql;
    const char* line;
  };
  const One contradictions[] = {
      {"UPDATE links SET file = NULL, length = NULL, checksums = x'' WHERE id = 1",
       "link 1: it has neither extents nor content"},
      {"UPDATE links SET size = 6 WHERE id = 2", "link 2: its extent does not have its size"},
      {"UPDATE links SET size = 11 WHERE id = 7", "link 7: its extents do not add up to its size"},
      {"UPDATE extents SET position = 2 WHERE file = 51", "link 8: its extents are not in one row"},
      {"INSERT INTO extents VALUES (6, 99, 0, 0, x'')", "file 6: it is an extent of a link that does not exist"},
      {"UPDATE links SET file = 60, length = 10 WHERE id = 8", "link 8: it has an only extent, and others"},
      {"UPDATE extents SET file = 2 WHERE file = 40", "file 2: it is an extent of two links"},
      {"UPDATE extents SET file = -1 WHERE file = 41", "file -1: that is no number of a file"},
      {"INSERT INTO garbage VALUES (50)", "file 50: it is both a link's and garbage"},
      {"INSERT INTO garbage VALUES (3)", "file 3: it is both an upload's and garbage"},
      {"UPDATE uploads SET file = 5000 WHERE file = 4", "file 5000: it is both an upload's and a link's"},
      {"UPDATE contents SET bytes = x'00' WHERE link = 6", "link 6: its content does not have its size"},
      {"DELETE FROM contents WHERE link = 5", "link 5: it has neither extents nor content"},
      {"UPDATE links SET file = 30, length = 5 WHERE id = 4", "link 4: it has both extents and content"},
      {"INSERT INTO contents VALUES (98, x'', x'')", "link 98: it does not exist, and has content"},
      {"UPDATE contents SET checksums = x'' WHERE link = 4",
       "link 4: its content has not as many checksums as it should have"},
      {"UPDATE links SET checksums = zeroblob(16) WHERE id = 5",
       "link 5: it has a length or checksums, and no file to which they belong"},
      {"UPDATE tokens SET link = 97 WHERE token = '0000000000000000000020'", "link 4: its token does not lead to it"},
      {"DELETE FROM tokens WHERE token = '0000000000000000000021'", "link 5: its token does not lead to it"},
  };
  std::size_t expected = 0;
  for (const One& one : contradictions) {
    CAPTURE(one.sql);
    change(fixture.path, one.sql);
    const std::vector<std::string> lines = *audit.contradictions(30);
    CHECK(lines.size() == ++expected);
    CHECK(std::ranges::count(lines, one.line) == 1);
  }
}

TEST_CASE("links whose tokens tell their numbers are sound; under another key, or with another token, they are not") {
  Fixture fixture;
  for (uint64_t number = 10; number < 14; ++number) {
    Link link = test::make_link(number);
    link.token = fixture.parts->catalogue.make_token(fixture.loop.ring());
    fixture.insert(link);
  }
  CatalogueAudit audit = audit_of(fixture.path);
  CHECK(audit.contradictions(10)->empty());
  change(fixture.path, "INSERT INTO tokens VALUES ('nobody', 1)");
  CHECK(*audit.contradictions(10) == std::vector<std::string>{"1 tokens lead to no link"});
  change(fixture.path, "DELETE FROM tokens WHERE token = 'nobody'");
  change(fixture.path, "UPDATE links SET token = (SELECT token FROM links WHERE id = 4) WHERE id = 5");
  CHECK(*audit.contradictions(10) == std::vector<std::string>{"link 5: its token does not lead to it"});
  change(fixture.path, "UPDATE link_key SET key = zeroblob(31)");
  const std::vector<std::string> lines = *audit_of(fixture.path).contradictions(10);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].starts_with("the key of tokens is missing, damaged or does not fit"));
}

TEST_CASE("a catalogue of another version is refused") {
  Fixture fixture;
  for (const char* const version : {"PRAGMA user_version = 3", "PRAGMA user_version = 99"}) {
    change(fixture.path, version);
    CHECK(CatalogueAudit::open(fixture.path).error().code == io::Errc::refused);
  }
}

TEST_CASE("a copy has what was there when it began, however much is written meanwhile") {
  Fixture fixture;
  for (uint64_t number = 10'000; number < 14'000; ++number) {
    Link link = test::make_link(number);
    link.name.assign(2000, 'n');  // so that there are many steps
    fixture.insert(link);
  }
  const std::vector<uint64_t> before = [&] {
    CatalogueAudit audit = audit_of(fixture.path);
    return files_of(audit);
  }();
  const std::string target = fixture.directory.file("copy.sqlite");
  uint64_t steps = 0;
  const auto between = [&] {
    // The first question comes before the first page.
    if (steps++ > 0) fixture.insert(test::make_link(20'000 + steps));
    return true;
  };
  REQUIRE(copy_catalogue(fixture.path, target, between));
  CHECK(steps > 1);
  {
    CatalogueAudit copy = audit_of(target);
    CHECK(copy.damage()->empty());
    CHECK(files_of(copy) == before);
  }
  io::Result<CatalogueSurgery> surgery = CatalogueSurgery::open(target, Patient::copy);
  REQUIRE(surgery);
  REQUIRE(surgery->keep_links_alone());
  REQUIRE(surgery->drop_link(1));
  REQUIRE(surgery->commit());
  CatalogueAudit copy = audit_of(target);
  CHECK(copy.files_between(0, 1)->front().owner == FileRow::garbage);
  CHECK(copy.files_between(2, 4)->size() == 1);
  CHECK(copy.totals()->links == 4002);
}

TEST_CASE("a copy ends when it is told to") {
  Fixture fixture;
  const io::Result<> copied = copy_catalogue(fixture.path, fixture.directory.file("copy.sqlite"), [] { return false; });
  REQUIRE_FALSE(copied);
  CHECK(copied.error().code == io::Errc::cancelled);
}

TEST_CASE("all files of a dropped link are garbage, whichever table has them") {
  Fixture fixture;
  fixture.insert(test::make_link_of_two(40, 41));  // its id is 4
  fixture.parts.reset();
  change(fixture.path, "UPDATE links SET file = 42, length = 5 WHERE id = 4");
  io::Result<CatalogueSurgery> surgery = CatalogueSurgery::open(fixture.path, Patient::original);
  REQUIRE(surgery);
  REQUIRE(surgery->drop_link(4));
  REQUIRE(surgery->commit());
  CatalogueAudit audit = audit_of(fixture.path);
  for (const uint64_t file : {40U, 41U, 42U}) {
    const std::vector<FileRow> rows = audit.files_between(file, file).value();
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].owner == FileRow::garbage);
  }
}

TEST_CASE("what is dropped is gone only with the commit, and its files are garbage") {
  Fixture fixture;
  fixture.parts.reset();
  {
    io::Result<CatalogueSurgery> surgery = CatalogueSurgery::open(fixture.path, Patient::original);
    REQUIRE(surgery);
    REQUIRE(surgery->drop_link(1));
  }
  CHECK(audit_of(fixture.path).totals()->links == 3);
  {
    io::Result<CatalogueSurgery> surgery = CatalogueSurgery::open(fixture.path, Patient::original);
    REQUIRE(surgery);
    REQUIRE(surgery->drop_link(1));
    REQUIRE(surgery->drop_upload(3));
    REQUIRE(surgery->commit());
  }
  CatalogueAudit audit = audit_of(fixture.path);
  CHECK(audit.totals()->links == 2);
  CHECK(audit.files_between(1, 1)->front().owner == FileRow::garbage);
  CHECK(audit.files_between(3, 3)->front().owner == FileRow::garbage);
  CHECK(audit.contradictions(10)->empty());
}

}  // namespace ringdrop::db
