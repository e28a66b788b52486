#include "io/file_duplicator.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "tests/io/temporary_directory.h"

namespace ringdrop::io {
namespace {

using test::TemporaryDirectory;

ino_t inode(const std::string& path) {
  struct stat found{};
  REQUIRE(stat(path.c_str(), &found) == 0);
  return found.st_ino;
}

// Two directories, and `content` in from/file.
struct Fixture {
  TemporaryDirectory here;
  LocalDirectory root = opened(here.path());
  LocalDirectory from = made("from");
  LocalDirectory to = made("to");
  std::string content = std::string(20 * kMiB + 17, 'd');

  Fixture() {
    for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7 + i / 4096);
    here.write("from/file", content);
  }
  static LocalDirectory opened(const std::string& path) {
    Result<LocalDirectory> directory = LocalDirectory::open(path);
    REQUIRE(directory);
    return *std::move(directory);
  }
  LocalDirectory made(const std::string& name) const {
    REQUIRE(root.make_directory(name));
    return *root.open_directory(name);
  }
  ScannedFile file() const {
    Result<ScannedFile> file = from.open_scanned("file");
    REQUIRE(file);
    return *std::move(file);
  }
};

bool go_on(uint64_t) {
  return true;
}

}  // namespace

TEST_CASE("a duplicate has the bytes of the file, by every way") {
  const Fixture fixture;
  for (const Duplication way : {Duplication::reflink, Duplication::hard_link, Duplication::copy}) {
    const std::string name = "to" + std::to_string(static_cast<int>(way));
    CAPTURE(name);
    const LocalDirectory to = fixture.made(name);
    FileDuplicator duplicator(go_on, way);
    const Result<Duplication> done = duplicator.duplicate(fixture.from, "file", fixture.file(), to);
    REQUIRE_MESSAGE(done.has_value(), describe(done.error()));
    CHECK(fixture.here.read(name + "/file") == fixture.content);
    const bool same = inode(fixture.here / "from/file") == inode(fixture.here / (name + "/file"));
    CHECK(same == (*done == Duplication::hard_link));
    CHECK(duplicator.duplicate(fixture.from, "file", fixture.file(), to).error().code == Errc::exists);
  }
}

TEST_CASE("an empty file is copied too") {
  const Fixture fixture;
  fixture.here.write("from/file", "");
  FileDuplicator duplicator(go_on, Duplication::copy);
  CHECK(duplicator.duplicate(fixture.from, "file", fixture.file(), fixture.to));
  CHECK(fixture.here.read("to/file").empty());
}

TEST_CASE("a copy tells how far it is, ends when it is told to, and leaves nothing then") {
  const Fixture fixture;
  uint64_t told = 0;
  uint64_t enough = UINT64_MAX;
  FileDuplicator duplicator(
      [&](uint64_t bytes) {
        told += bytes;
        return told < enough;
      },
      Duplication::copy);
  REQUIRE(duplicator.duplicate(fixture.from, "file", fixture.file(), fixture.to));
  CHECK(told == fixture.content.size());
  REQUIRE(fixture.to.remove_file("file"));

  told = 0;
  enough = 3 * kMiB;
  CHECK(duplicator.duplicate(fixture.from, "file", fixture.file(), fixture.to).error().code == Errc::cancelled);
  CHECK(told == enough);
  CHECK(fixture.to.list()->empty());
}

TEST_CASE("a file that ends before its size is no copy, and leaves nothing") {
  const Fixture fixture;
  const ScannedFile file = fixture.file();
  std::filesystem::resize_file(fixture.here / "from/file", 5 * kMiB);
  FileDuplicator duplicator(go_on, Duplication::copy);
  CHECK(duplicator.duplicate(fixture.from, "file", file, fixture.to).error().code == Errc::corrupt);
  CHECK(fixture.to.list()->empty());
}

TEST_CASE("a file that has gone meanwhile is linked nowhere") {
  const Fixture fixture;
  const ScannedFile file = fixture.file();
  REQUIRE(fixture.from.remove_file("file"));
  FileDuplicator duplicator(go_on, Duplication::hard_link);
  CHECK(duplicator.duplicate(fixture.from, "file", file, fixture.to).error().code == Errc::not_found);
}

}  // namespace ringdrop::io
