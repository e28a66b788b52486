// Files and directories.
#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "io/file.h"
#include "tests/io/connected_pair.h"

namespace ringdrop::test {
namespace {

using io::Errc;
using io::OpenMode;
using io::Result;
using io::Task;

Task<io::Directory> root(RingUnderTest& ring) {
  auto fd = co_await io::open_root_directory(ring.loop(), ring.directory());
  REQUIRE(fd.has_value());
  co_return io::Directory(ring.loop(), *std::move(fd));
}

Task<io::File> open(RingUnderTest& ring, const io::Directory& directory, const char* name, OpenMode mode) {
  auto fd = co_await directory.open_file(name, mode);
  REQUIRE(fd.has_value());
  co_return io::File(ring.loop(), *std::move(fd));
}

Task<std::string> read_all(io::File& file) {
  std::string all;
  std::string some(1'000, '\0');
  for (;;) {
    const auto got = co_await file.read_some_at(writable(some), all.size());
    REQUIRE(got.has_value());
    if (*got == 0) co_return all;
    all.append(some, 0, *got);
  }
}

Task<> opening(RingUnderTest& ring) {
  const io::Directory directory = co_await root(ring);
  for (const OpenMode mode : {OpenMode::read, OpenMode::read_write, OpenMode::direct_write}) {
    const auto missing = co_await directory.open_file("a", mode);
    REQUIRE_FALSE(missing.has_value());
    CHECK(missing.error().code == Errc::not_found);
  }
  io::File made = co_await open(ring, directory, "a", OpenMode::create);
  const auto taken = co_await directory.open_file("a", OpenMode::create);
  REQUIRE_FALSE(taken.has_value());
  CHECK(taken.error().code == Errc::exists);
  const Result<> wrote = co_await made.write_all_at(as_bytes("abc"), 0);
  CHECK(wrote.has_value());
  for (const OpenMode mode : {OpenMode::read, OpenMode::read_write, OpenMode::open_or_create}) {
    io::File again = co_await open(ring, directory, "a", mode);
    const std::string content = co_await read_all(again);
    CHECK(content == "abc");
  }
  io::File other = co_await open(ring, directory, "b", OpenMode::open_or_create);
  const std::string empty = co_await read_all(other);
  CHECK(empty.empty());
}

Task<> writing(RingUnderTest& ring) {
  const io::Directory directory = co_await root(ring);
  io::File file = co_await open(ring, directory, "a", OpenMode::create);
  const std::string text = pattern(100'000);
  const Result<> end = co_await file.write_all_at(as_bytes(text).subspan(50'000), 50'000);
  CHECK(end.has_value());
  const Result<> start = co_await file.write_all_at(as_bytes(text).first(50'000), 0);
  CHECK(start.has_value());
  const Result<> synced = co_await file.sync_data();
  CHECK(synced.has_value());
  const Result<> behind = co_await file.write_behind(0, 50'000);
  CHECK(behind.has_value());
  const std::string content = co_await read_all(file);
  CHECK(content == text);
  // A hole reads as zeros.
  const Result<> far = co_await file.write_all_at(as_bytes("z"), 100'010);
  CHECK(far.has_value());
  const std::string longer = co_await read_all(file);
  CHECK(longer == text + std::string(10, '\0') + "z");
  std::string into(10, 'x');
  const auto beyond = co_await file.read_some_at(writable(into), 1'000'000);
  REQUIRE(beyond.has_value());
  CHECK(*beyond == 0);
}

Task<> sizes(RingUnderTest& ring) {
  const io::Directory directory = co_await root(ring);
  io::File file = co_await open(ring, directory, "a", OpenMode::create);
  io::FileStatus status{1, false};
  static_cast<void>(co_await file.stat(status));
  CHECK(status.size_bytes == 0);
  CHECK(status.regular);
  const Result<> reserved = co_await file.allocate(0, 10'000);
  CHECK(reserved.has_value());
  static_cast<void>(co_await file.stat(status));
  CHECK(status.size_bytes == 10'000);
  CHECK(status.allocated_bytes >= 10'000);
  static_cast<void>(co_await file.write_all_at(as_bytes("abc"), 9'998));
  static_cast<void>(co_await file.stat(status));
  CHECK(status.size_bytes == 10'001);
  const Result<> cut = co_await file.truncate(9'999);
  CHECK(cut.has_value());
  const std::string content = co_await read_all(file);
  CHECK(content == std::string(9'998, '\0') + "a");
  // Reserving less than there is changes nothing.
  static_cast<void>(co_await file.allocate(0, 5));
  static_cast<void>(co_await file.truncate(20'000));
  static_cast<void>(co_await file.stat(status));
  CHECK(status.size_bytes == 20'000);
}

Task<> directories(RingUnderTest& ring) {
  const io::Directory directory = co_await root(ring);
  std::vector<std::string> names = {"stale"};
  const Result<> empty = co_await directory.list(names);
  CHECK(empty.has_value());
  CHECK(names.empty());
  const Result<> made = co_await directory.make_directory("sub");
  CHECK(made.has_value());
  const Result<> again = co_await directory.make_directory("sub");
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().code == Errc::exists);
  {
    const io::File first = co_await open(ring, directory, "sub/first", OpenMode::create);
    const io::File second = co_await open(ring, directory, "second", OpenMode::create);
  }
  for (int i = 0; i < 2; ++i) {  // a directory can be listed again through the same descriptor
    static_cast<void>(co_await directory.list(names));
    std::ranges::sort(names);
    CHECK(names == std::vector<std::string>{"second", "sub"});
  }
  const Result<> synced = co_await directory.sync();
  CHECK(synced.has_value());
  const auto below = co_await directory.open_directory("sub");
  CHECK(below.has_value());
  const auto no_directory = co_await directory.open_directory("second");
  REQUIRE_FALSE(no_directory.has_value());
  CHECK(no_directory.error().sys_errno == ENOTDIR);

  const Result<> full = co_await directory.remove_directory("sub");
  REQUIRE_FALSE(full.has_value());
  CHECK(full.error().sys_errno == ENOTEMPTY);
  const Result<> wrong_kind = co_await directory.remove_file("sub");
  CHECK_FALSE(wrong_kind.has_value());
  const Result<> removed = co_await directory.remove_file("sub/first");
  CHECK(removed.has_value());
  const Result<> gone = co_await directory.remove_file("sub/first");
  REQUIRE_FALSE(gone.has_value());
  CHECK(gone.error().code == Errc::not_found);
  const Result<> last = co_await directory.remove_directory("sub");
  CHECK(last.has_value());
}

Task<> removed_while_open(RingUnderTest& ring) {
  const io::Directory directory = co_await root(ring);
  io::File file = co_await open(ring, directory, "a", OpenMode::create);
  static_cast<void>(co_await file.write_all_at(as_bytes("still here"), 0));
  const Result<> removed = co_await directory.remove_file("a");
  CHECK(removed.has_value());
  const std::string content = co_await read_all(file);
  CHECK(content == "still here");
}

Task<> outside(RingUnderTest& ring) {
  const io::Directory directory = co_await root(ring);
  for (const char* name : {"..", "../a", "sub/../../a", "/etc/hostname", "/"}) {
    CAPTURE(name);
    const auto opened = co_await directory.open_file(name, OpenMode::read);
    CHECK_FALSE(opened.has_value());
  }
}

Task<> locking(RingUnderTest& ring) {
  const io::Directory directory = co_await root(ring);
  io::File second = co_await open(ring, directory, "lock", OpenMode::open_or_create);
  {
    io::File first = co_await open(ring, directory, "lock", OpenMode::open_or_create);
    const Result<> locked = co_await first.lock();
    CHECK(locked.has_value());
    const Result<> again = co_await first.lock();
    CHECK(again.has_value());
    const Result<> taken = co_await second.lock();
    REQUIRE_FALSE(taken.has_value());
    CHECK(taken.error().sys_errno == EWOULDBLOCK);
  }
  // Closing is not awaited: the lock is free soon after.
  Result<> free = co_await second.lock();
  for (int i = 0; i < 1'000 && !free; ++i) {
    co_await pause(ring.loop(), io::Milliseconds(1));
    free = co_await second.lock();
  }
  CHECK(free.has_value());
}

Task<> space(RingUnderTest& ring) {
  const io::Directory directory = co_await root(ring);
  io::FileSystemStatus status;
  const Result<> looked = co_await directory.file_system(status);
  CHECK(looked.has_value());
  CHECK(status.free_bytes > 0);
  CHECK(status.total_bytes >= status.free_bytes);
  CHECK_FALSE(status.type.empty());
}

constexpr std::array<Behaviour, 8> kBehaviours = {{
    {"a file is opened in each mode, or not_found, or exists", opening},
    {"what is written at an offset is read there, a hole is zeros, behind the end is nothing", writing},
    {"allocate and truncate set the size that stat tells", sizes},
    {"directories are made, listed, removed when empty", directories},
    {"a removed file stays readable while it is open", removed_while_open},
    {"names that lead out of the directory are refused", outside},
    {"a locked file is locked for others until it is closed", locking},
    {"a directory tells its file system's space", space},
}};

}  // namespace

std::span<const Behaviour> file_behaviours() {
  return kBehaviours;
}

}  // namespace ringdrop::test
