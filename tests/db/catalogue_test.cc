#include "db/catalogue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <utility>

#include "tests/db/catalogue_fixture.h"

namespace ringdrop::db {
namespace {

struct Fixture {
  CatalogueOptions options() const {
    CatalogueOptions options;
    options.path = directory.file("catalogue.sqlite");
    options.durability = Durability::process;
    options.checkpoint_bytes = 64 * kKiB;
    return options;
  }
  io::Result<> insert(const Link& link) { return loop.run(catalogue.insert(loop.loop(), link)); }
  std::optional<Link> find(std::string_view token) {
    const io::Result<std::optional<Link>> link = loop.run(catalogue.find(loop.loop(), token, test::kNow));
    REQUIRE(link.has_value());
    return *link;
  }

  test::TemporaryDirectory directory;
  test::LoopFixture loop;
  test::CatalogueFixture parts{options(), loop};
  Catalogue& catalogue = parts.catalogue;
};

// All bytes but NUL, as a name.
std::string odd_name() {
  std::string name;
  for (int c = 255; c > 0; --c) name += static_cast<char>(c);
  return name;
}

Link largest_link() {
  Link link = test::make_link(7);
  link.name = odd_name();
  link.content_type = "text/plain; charset=\"utf-8\"";
  link.created_at_ms = std::numeric_limits<int64_t>::max();
  link.extents.clear();
  link.size_bytes = 0;
  for (std::size_t i = 0; i < kMostExtents; ++i) {
    Extent extent;
    // Numbers that a double cannot hold, and not in the order of the positions.
    extent.file = (uint64_t{1} << 62) - i * 4096;
    extent.length_bytes = (uint64_t{1} << 56) + i;
    extent.checksums = std::string(kChecksumBytes * (i + 1), static_cast<char>(i));
    link.size_bytes += extent.length_bytes;
    link.extents.push_back(std::move(extent));
  }
  return link;
}

TEST_CASE("every field of a link comes back, after the file was closed and opened again too") {
  const test::TemporaryDirectory directory;
  test::LoopFixture loop;
  CatalogueOptions options;
  options.path = directory.file("catalogue.sqlite");
  const Link large = largest_link();
  REQUIRE(large.size_bytes > uint64_t{1} << 53);
  Link empty = test::make_link(8);
  empty.name = "";
  empty.content_type = "";
  empty.size_bytes = 0;
  empty.created_at_ms = -1;
  empty.expires_at_ms = test::kNow + 1;
  empty.max_downloads = 3;
  empty.downloads = 2;
  empty.sha256 = std::string(32, '\0');
  empty.sha512 = std::string(64, '\xff');
  empty.extents[0].length_bytes = 0;
  empty.extents[0].checksums = "";
  const Link small = test::make_small_link(9, odd_name() + std::string(8192, '\0'));
  Link nothing = test::make_small_link(10, "");
  nothing.content->checksums = "";
  for (const bool again : {false, true}) {
    test::CatalogueFixture parts(options, loop);
    for (const Link* const link : {&large, &std::as_const(empty), &small, &std::as_const(nothing)}) {
      if (!again) REQUIRE(loop.run(parts.catalogue.insert(loop.loop(), *link)));
      const auto found = loop.run(parts.catalogue.find(loop.loop(), link->token, test::kNow));
      REQUIRE(found.has_value());
      REQUIRE(found->has_value());
      CHECK(test::same(**found, *link));
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "an unknown token is nothing, whatever it is made of") {
  REQUIRE(insert(test::make_link(1)));
  const std::string token = test::make_link(1).token;
  CHECK(find(token).has_value());
  for (const std::string& other :
       {test::make_link(2).token, std::string(), token + '\0', token.substr(1), std::string("' OR 1=1 --"),
        std::string("\xff\0\xfe", 3), std::string(100'000, '0')}) {
    CHECK_FALSE(find(other).has_value());
  }
}

TEST_CASE_FIXTURE(Fixture, "a token that is taken, or a file that is, leaves all as it was") {
  const Link first = test::make_link(1);
  REQUIRE(insert(first));
  Link same_token = test::make_link(2);
  same_token.token = first.token;
  CHECK(insert(same_token).error().code == io::Errc::exists);

  // The file of the last of three extents is taken.
  Link same_file = test::make_link(3);
  same_file.extents.push_back(test::make_link(4).extents[0]);
  same_file.extents.push_back(first.extents[0]);
  same_file.size_bytes = 15;
  CHECK(insert(same_file).error().code == io::Errc::exists);
  CHECK_FALSE(find(same_file.token).has_value());
  CHECK(test::same(*find(first.token), first));
  CHECK(*loop.run(catalogue.files_between(loop.loop(), 0, 100)) == std::vector<uint64_t>{1});
  // And their files are free for others.
  CHECK(insert(test::make_link(3)));

  // Nor is one of several extents anybody's only one.
  REQUIRE(insert(test::make_link_of_two(5, 6)));
  CHECK(insert(test::make_link(6)).error().code == io::Errc::exists);
  CHECK_FALSE(find(test::make_link(6).token).has_value());
  const Link twice = test::make_link_of_two(7, 7);
  // The row and its first extent go again.
  CHECK(insert(twice).error().code == io::Errc::exists);
  CHECK_FALSE(find(twice.token).has_value());
  CHECK(*loop.run(catalogue.files_between(loop.loop(), 0, 100)) == std::vector<uint64_t>{1, 3, 5, 6});
}

TEST_CASE_FIXTURE(Fixture, "removal takes all of the link and nothing else") {
  const Link large = largest_link();
  const Link other = test::make_link(1);
  REQUIRE(insert(large));
  REQUIRE(insert(other));
  const auto removed = loop.run(test::end_and_remove(catalogue, loop.loop(), large.token));
  REQUIRE(removed.has_value());
  CHECK(*removed);
  CHECK_FALSE(find(large.token).has_value());
  CHECK(test::same(*find(other.token), other));
  CHECK(*loop.run(catalogue.files_between(loop.loop(), 0, UINT64_MAX)) == std::vector<uint64_t>{1});
  const auto again = loop.run(test::end_and_remove(catalogue, loop.loop(), large.token));
  REQUIRE(again.has_value());
  CHECK_FALSE(*again);
}

TEST_CASE_FIXTURE(Fixture, "files_between includes both ends and nothing outside") {
  const uint64_t most = std::numeric_limits<int64_t>::max();
  for (const uint64_t file :
       {uint64_t{0}, uint64_t{4095}, uint64_t{4096}, uint64_t{4100}, uint64_t{8191}, uint64_t{8192}, most}) {
    REQUIRE(insert(test::make_link(file)));
  }
  const auto between = [&](uint64_t first, uint64_t last) {
    const auto files = loop.run(catalogue.files_between(loop.loop(), first, last));
    REQUIRE(files.has_value());
    return *files;
  };
  using Files = std::vector<uint64_t>;
  CHECK(between(4096, 8191) == Files{4096, 4100, 8191});
  CHECK(between(0, 0) == Files{0});
  CHECK(between(1, 4094) == Files{});
  CHECK(between(8191, 4096) == Files{});
  CHECK(between(most, UINT64_MAX) == Files{most});
  CHECK(between(most + 1, UINT64_MAX) == Files{});
  CHECK(between(0, UINT64_MAX).size() == 7);
}

TEST_CASE_FIXTURE(Fixture, "the bytes of a small file go with its link, and leave no garbage") {
  REQUIRE(insert(test::make_small_link(1, "abc")));
  REQUIRE(insert(test::make_small_link(2, "def")));
  REQUIRE(loop.run(test::end_and_remove(catalogue, loop.loop(), test::make_link(1).token)).value());
  CHECK_FALSE(find(test::make_link(1).token).has_value());
  CHECK(find(test::make_link(2).token)->content->bytes == "def");
  OpenOptions how;
  how.path = options().path;
  how.role = Role::reader;
  Database looked = *Database::open(how);
  CHECK(looked.read_int64("SELECT count(*) FROM contents", "read") == 1);
  CHECK(looked.read_int64("SELECT count(*) FROM garbage", "read") == 0);
}

TEST_CASE_FIXTURE(Fixture, "what removed contents have left goes back to the disk, but for a part of it") {
  const auto size = [&] {
    REQUIRE(loop.run(catalogue.checkpoint_if_due(loop.loop())).has_value());
    return std::filesystem::file_size(options().path);
  };
  constexpr uint64_t kLinks = 3'000;
  for (uint64_t number = 1; number <= kLinks; ++number) {
    REQUIRE(insert(test::make_small_link(number, std::string(8'000, 'x'))));
  }
  CHECK_FALSE(loop.run(catalogue.give_back_pages(loop.loop())).value());
  const uint64_t full = size();
  CHECK(full > kLinks * 8'000);
  for (uint64_t number = 1; number < kLinks; ++number) {
    REQUIRE(loop.run(test::end_and_remove(catalogue, loop.loop(), test::make_link(number).token)).value());
  }
  int rounds = 0;
  while (loop.run(catalogue.give_back_pages(loop.loop())).value()) ++rounds;
  CHECK(rounds > 10);
  REQUIRE(insert(test::make_link(kLinks + 1)));
  CHECK(size() < full / 3);
  CHECK(find(test::make_link(kLinks).token)->content->bytes == std::string(8'000, 'x'));
}

TEST_CASE_FIXTURE(Fixture, "content has no room while somebody reads for long, rows have") {
  OpenOptions how;
  how.path = options().path;
  uint64_t number = 0;
  REQUIRE(insert(test::make_link(++number)));
  std::optional<Database> reader(*Database::open(how));
  REQUIRE(reader->execute("BEGIN; SELECT count(*) FROM links", "read"));
  while (catalogue.has_room_for_content()) {
    REQUIRE(insert(test::make_small_link(++number, std::string(8'000, 'x'))));
    REQUIRE(number < 1'000);
  }
  CHECK(catalogue.wal_bytes() >= 4 * options().checkpoint_bytes);
  REQUIRE(insert(test::make_link(++number)));
  reader.reset();
  CHECK(loop.run(catalogue.checkpoint_if_due(loop.loop())).value());
  REQUIRE(insert(test::make_link(++number)));
  CHECK(catalogue.has_room_for_content());
}

TEST_CASE_FIXTURE(Fixture, "nothing is taken while the file is not under its path") {
  REQUIRE(insert(test::make_link(1)));
  const std::string elsewhere = options().path + "-moved";
  std::filesystem::rename(options().path, elsewhere);
  const io::Result<> refused = insert(test::make_link(2));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().sys_errno == ENOENT);
  CHECK(catalogue.state() == CatalogueState::gone);
  std::filesystem::rename(elsewhere, options().path);
  CHECK(insert(test::make_link(2)).has_value());
  CHECK(catalogue.state() == CatalogueState::sound);
  CHECK(find(test::make_link(1).token).has_value());
}

TEST_CASE_FIXTURE(Fixture, "a checkpoint makes the log start again, while somebody reads") {
  const auto checkpoint = [&] {
    const io::Result<bool> made = loop.run(catalogue.checkpoint_if_due(loop.loop()));
    REQUIRE(made.has_value());
    return *made;
  };
  const auto wal_file_bytes = [&] { return std::filesystem::file_size(options().path + "-wal"); };
  uint64_t number = 0;
  const auto outgrow_bound = [&] {
    while (catalogue.wal_bytes() <= options().checkpoint_bytes) {
      CHECK_FALSE(checkpoint());
      REQUIRE(insert(test::make_link(++number)));
    }
  };
  outgrow_bound();
  CHECK(wal_file_bytes() == catalogue.wal_bytes());

  OpenOptions how;
  how.path = options().path;
  std::optional<Database> reader(*Database::open(how));
  REQUIRE(reader->execute("BEGIN; SELECT count(*) FROM links", "read"));
  // The reader sees the newest state: all frames are copied, but the log has to stay for it.
  CHECK(checkpoint());
  CHECK(catalogue.wal_bytes() == 0);
  REQUIRE(insert(test::make_link(++number)));
  CHECK(catalogue.wal_bytes() > options().checkpoint_bytes);
  // Nor can a checkpoint copy what is newer than the reader's snapshot.
  CHECK(checkpoint());
  CHECK(catalogue.wal_bytes() > options().checkpoint_bytes);
  CHECK(reader->read_int64("SELECT count(*) FROM links", "read") == number - 1);
  CHECK(find(test::make_link(number).token).has_value());
  while (catalogue.wal_bytes() <= 4 * options().checkpoint_bytes) REQUIRE(insert(test::make_link(++number)));

  reader.reset();
  CHECK(checkpoint());
  REQUIRE(insert(test::make_link(++number)));
  CHECK(catalogue.wal_bytes() < options().checkpoint_bytes);
  CHECK(wal_file_bytes() <= 2 * options().checkpoint_bytes);
  for (uint64_t i = 1; i <= number; ++i) CHECK(find(test::make_link(i).token).has_value());
}

TEST_CASE_FIXTURE(Fixture,
                  "a checkpoint presses again when the log has grown by a quarter of its bound since the last one") {
  uint64_t number = 0;
  OpenOptions how;
  how.path = options().path;
  std::optional<Database> reader(*Database::open(how));
  const auto grow_until_it_presses = [&] {
    const uint64_t before = catalogue.wal_bytes();
    while (!catalogue.is_checkpoint_pressing()) REQUIRE(insert(test::make_link(++number)));
    return catalogue.wal_bytes() - before;
  };
  CHECK(grow_until_it_presses() > options().checkpoint_bytes);
  REQUIRE(reader->execute("BEGIN; SELECT count(*) FROM links", "read"));
  REQUIRE(insert(test::make_link(++number)));  // not copied, for the reader
  CHECK(loop.run(catalogue.checkpoint_if_due(loop.loop())).value());
  CHECK(catalogue.wal_bytes() > options().checkpoint_bytes);
  CHECK_FALSE(catalogue.is_checkpoint_pressing());
  const uint64_t grown = grow_until_it_presses();
  CHECK(grown > options().checkpoint_bytes / 4);
  CHECK(grown < options().checkpoint_bytes);
  reader.reset();
  CHECK(loop.run(catalogue.checkpoint_if_due(loop.loop())).value());
  REQUIRE(insert(test::make_link(++number)));  // the log starts again
  CHECK(grow_until_it_presses() + 64 * kKiB > options().checkpoint_bytes);
}

TEST_CASE_FIXTURE(Fixture, "the log is bounded, even when no checkpoint is ever asked for") {
  const uint64_t bound = 2 * options().checkpoint_bytes;
  const uint64_t one_insert = 64 * kKiB;
  uint64_t most = 0;
  uint64_t number = 0;
  const auto insert_some = [&] {
    most = 0;
    for (int i = 0; i < 200; ++i) {
      REQUIRE(insert(test::make_link(++number)));
      most = std::max(most, catalogue.wal_bytes());
    }
  };
  insert_some();
  CHECK(most > options().checkpoint_bytes);
  CHECK(most < bound + one_insert);

  // Somebody who reads for long keeps it from starting again; afterwards it does.
  OpenOptions how;
  how.path = options().path;
  std::optional<Database> reader(*Database::open(how));
  REQUIRE(reader->execute("BEGIN; SELECT count(*) FROM links", "read"));
  insert_some();
  CHECK(most > bound + one_insert);
  reader.reset();
  insert_some();
  CHECK(catalogue.wal_bytes() < bound + one_insert);
  for (uint64_t i = 1; i <= number; ++i) CHECK(find(test::make_link(i).token).has_value());
}

TEST_CASE("opening recovers the log of a process that was killed, and empties it") {
  const test::TemporaryDirectory directory;
  test::LoopFixture loop;
  CatalogueOptions options;
  options.path = directory.file("catalogue.sqlite");
  options.checkpoint_bytes = 64 * kMiB;
  CatalogueOptions copy = options;
  copy.path = directory.file("copy.sqlite");
  {
    test::CatalogueFixture parts(options, loop);
    for (uint64_t i = 1; i <= 20; ++i) {
      REQUIRE(loop.run(parts.catalogue.insert(loop.loop(), test::make_link(i))));
    }
    // What a kill leaves: main file and log, nothing closed.
    std::filesystem::copy_file(options.path, copy.path);
    std::filesystem::copy_file(options.path + "-wal", copy.path + "-wal");
  }
  REQUIRE(std::filesystem::file_size(copy.path + "-wal") > 0);
  test::CatalogueFixture parts(copy, loop);
  // It is there, for what comes, and nothing is in it.
  std::ifstream log(copy.path + "-wal", std::ios::binary);
  CHECK(std::all_of(std::istreambuf_iterator<char>(log), {}, [](char byte) { return byte == 0; }));
  for (uint64_t i = 1; i <= 20; ++i) {
    const auto found = loop.run(parts.catalogue.find(loop.loop(), test::make_link(i).token, test::kNow));
    REQUIRE(found.has_value());
    CHECK(found->has_value());
  }
}

}  // namespace
}  // namespace ringdrop::db
