#include "io/local_files.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "io/buffer_pool.h"
#include "tests/io/temporary_directory.h"

namespace ringdrop::io {
namespace {

using test::TemporaryDirectory;

LocalDirectory opened(const std::string& path) {
  Result<LocalDirectory> directory = LocalDirectory::open(path);
  REQUIRE(directory);
  return *std::move(directory);
}

ino_t inode(const std::string& path) {
  struct stat found{};
  REQUIRE(stat(path.c_str(), &found) == 0);
  return found.st_ino;
}

// All of a file, in pieces of `piece_bytes`.
std::string scan(const ScannedFile& file, std::size_t piece_bytes) {
  const auto alignment = static_cast<std::align_val_t>(kDirectAlignment);
  auto* const memory = static_cast<std::byte*>(::operator new(piece_bytes, alignment));
  std::string all;
  for (;;) {
    const Result<std::size_t> got = file.read_at(MutableBytes(memory, piece_bytes), all.size());
    REQUIRE(got);
    all.append(reinterpret_cast<const char*>(memory), *got);
    if (*got < piece_bytes) break;
  }
  ::operator delete(memory, alignment);
  return all;
}

}  // namespace

TEST_CASE("a directory lists what is in it and nothing else") {
  const TemporaryDirectory here;
  const LocalDirectory directory = opened(here.path());
  CHECK(directory.list()->empty());
  here.write("a", "1");
  REQUIRE(directory.make_directory("b"));
  std::vector<std::string> names = directory.list().value();
  std::ranges::sort(names);
  CHECK(names == std::vector<std::string>{"a", "b"});
  CHECK(directory.list()->size() == 2);  // from its beginning again
}

TEST_CASE("a symbolic link is no regular file, and leads nowhere") {
  const TemporaryDirectory here;
  here.write("file", "12345");
  std::filesystem::create_symlink("file", here / "link");
  const LocalDirectory directory = opened(here.path());
  CHECK(directory.status("file")->regular);
  CHECK(directory.status("file")->size_bytes == 5);
  CHECK_FALSE(directory.status("link")->regular);
  CHECK_FALSE(directory.open_scanned("link"));
  CHECK_FALSE(directory.open_scanned("../" + here.path().filename().string() + "/file"));
  CHECK(directory.status("nothing").error().code == Errc::not_found);
}

TEST_CASE("a file is scanned whole, whatever its length and the pieces") {
  const TemporaryDirectory here;
  const LocalDirectory directory = opened(here.path());
  for (const std::size_t size : {0U, 1U, 4095U, 4096U, 4097U, 65536U, 200'001U}) {
    CAPTURE(size);
    std::string content(size, 'x');
    for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i * 7 + i / 4096);
    here.write("file", content);
    const Result<ScannedFile> file = directory.open_scanned("file");
    REQUIRE(file);
    CHECK(file->size_bytes() == size);
    CHECK(scan(*file, 4096) == content);
    CHECK(scan(*file, 65536) == content);
  }
}

TEST_CASE("a lock is held against others until it goes") {
  const TemporaryDirectory here;
  const LocalDirectory directory = opened(here.path());
  {
    const Result<LocalFd> lock = directory.lock("lock");
    REQUIRE(lock);
    CHECK(directory.lock("lock").error().code == Errc::exists);
  }
  CHECK(directory.lock("lock"));
}

TEST_CASE("a duplicate has the bytes of the file, by every way") {
  const TemporaryDirectory here;
  const LocalDirectory root = opened(here.path());
  REQUIRE(root.make_directory("from"));
  const LocalDirectory from = *root.open_directory("from");
  const std::string content(3 * kMiB + 17, 'd');
  here.write("from/file", content);
  for (const Duplication way : {Duplication::reflink, Duplication::hard_link, Duplication::copy}) {
    const std::string name = "to" + std::to_string(static_cast<int>(way));
    CAPTURE(name);
    REQUIRE(root.make_directory(name));
    const LocalDirectory to = *root.open_directory(name);
    Duplication cheapest = way;
    const Result<Duplication> done = to.duplicate_from(from, "file", cheapest);
    REQUIRE_MESSAGE(done.has_value(), describe(done.error()));
    CHECK(here.read(name + "/file") == content);
    CHECK((inode(here / "from/file") == inode(here / (name + "/file"))) == (*done == Duplication::hard_link));
    CHECK(to.duplicate_from(from, "file", cheapest).error().code == Errc::exists);
    CHECK(to.duplicate_from(from, "nothing", cheapest).error().code == Errc::not_found);
    CHECK(to.list()->size() == 1);
  }
}

TEST_CASE("a directory takes the place of an empty one, and of no other") {
  const TemporaryDirectory here;
  REQUIRE(make_local_directory(here / "new"));
  CHECK(make_local_directory(here / "new").error().code == Errc::exists);
  REQUIRE(make_local_directory(here / "empty"));
  REQUIRE(make_local_directory(here / "full"));
  here.write("full/file", "1");
  CHECK_FALSE(rename_local_directory(here / "new", here / "full"));
  CHECK(rename_local_directory(here / "new", here / "empty"));
  CHECK(LocalDirectory::open(here / "new").error().code == Errc::not_found);
}

}  // namespace ringdrop::io
