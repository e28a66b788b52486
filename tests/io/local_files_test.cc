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

TEST_CASE("a lock that its holder has removed is none") {
  const TemporaryDirectory here;
  const LocalDirectory directory = opened(here.path());
  CHECK(directory.lock_existing("lock").error().code == Errc::not_found);
  {
    const Result<LocalFd> lock = directory.lock("lock");
    CHECK(directory.lock_existing("lock").error().code == Errc::exists);
  }
  CHECK(directory.lock_existing("lock"));
}

TEST_CASE("what is no regular file is not scanned, and not waited for") {
  const TemporaryDirectory here;
  REQUIRE(mkfifo((here / "fifo").c_str(), 0600) == 0);
  const LocalDirectory directory = opened(here.path());
  REQUIRE(directory.make_directory("directory"));
  CHECK(directory.open_scanned("fifo").error().code == Errc::corrupt);
  CHECK(directory.open_scanned("directory").error().code == Errc::corrupt);
}

TEST_CASE("what is no directory is told from one that is not there") {
  const TemporaryDirectory here;
  here.write("file", "1");
  std::filesystem::create_symlink(".", here / "link");
  const LocalDirectory directory = opened(here.path());
  CHECK(directory.open_directory("file").error().code == Errc::corrupt);
  CHECK(directory.open_directory("link").error().code == Errc::corrupt);
  CHECK(directory.open_directory("nothing").error().code == Errc::not_found);
  CHECK(directory.status("file/below").error().code == Errc::not_found);
}

TEST_CASE("a mount point and another file system are told") {
  const TemporaryDirectory here;
  const LocalDirectory directory = opened(here.path());
  REQUIRE(directory.make_directory("below"));
  CHECK_FALSE(directory.is_mount_point().value());
  CHECK(directory.is_on_file_system_of(*directory.open_directory("below")).value());
  const LocalDirectory proc = opened("/proc");
  CHECK(proc.is_mount_point().value());
  CHECK_FALSE(proc.is_on_file_system_of(directory).value());
}

TEST_CASE("a path is resolved as far as it exists") {
  const TemporaryDirectory here;
  const std::string root = resolved_path(here.path()).value();
  std::filesystem::create_directory(here / "real");
  std::filesystem::create_symlink("real", here / "link");
  CHECK(resolved_path(here / "link").value() == root + "/real");
  CHECK(resolved_path(here / "link/").value() == root + "/real");
  CHECK(resolved_path(here / "link/new//").value() == root + "/real/new");
  CHECK(resolved_path(here / "real/.").value() == root + "/real");
  CHECK(parent_path(root + "/real") == root);
  CHECK(resolved_path("new").value() == std::filesystem::current_path().string() + "/new");
}

TEST_CASE("a tree goes with all that is in it, and nothing behind its symbolic links") {
  const TemporaryDirectory here;
  const LocalDirectory directory = opened(here.path());
  here.write("kept", "1");
  std::filesystem::create_directories(here / "tree/a/b");
  here.write("tree/a/b/file", "1");
  std::filesystem::create_symlink(here / "kept", here / "tree/link");
  CHECK_FALSE(remove_local_directory(here / "tree"));
  CHECK(remove_local_tree(here / "tree"));
  CHECK(directory.list().value() == std::vector<std::string>{"kept"});
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
