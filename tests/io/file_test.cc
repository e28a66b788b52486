// What only real files show; what the simulated disk does as well is in file_behaviour.cc.
#include "io/file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/buffer_pool.h"
#include "tests/io/child.h"
#include "tests/io/connected_pair.h"
#include "tests/io/temporary_directory.h"
#include "tests/io/test_loop.h"

namespace ringdrop::test {
namespace {

using io::Errc;
using io::OpenMode;
using io::Result;
using io::Task;

Task<io::Directory> open_root(io::EventLoop& loop, const std::string& path) {
  auto fd = co_await io::open_root_directory(loop, path.c_str());
  REQUIRE(fd.has_value());
  co_return io::Directory(loop, *std::move(fd));
}

Task<Result<io::File>> open_file(io::EventLoop& loop, const io::Directory& directory, const char* name, OpenMode mode) {
  auto fd = co_await directory.open_file(name, mode);
  if (!fd) co_return std::unexpected(fd.error());
  co_return io::File(loop, *std::move(fd));
}

// errno of opening the name; 0: it was opened.
Task<int> errno_of_open(const io::Directory& directory, const char* name) {
  const auto fd = co_await directory.open_file(name, OpenMode::read);
  co_return fd ? 0 : fd.error().sys_errno;
}

struct Files {
  TemporaryDirectory temporary;
  TestLoop fixture;
  io::Directory root = fixture.run(open_root(fixture.loop(), temporary.path()));

  Result<io::File> open(const char* name, OpenMode mode) {
    return fixture.run(open_file(fixture.loop(), root, name, mode));
  }
};

Task<Result<>> write_all(io::File& file, Bytes bytes, uint64_t offset, int fixed_buffer) {
  co_return co_await file.write_all_at(bytes, offset, fixed_buffer);
}

Task<Result<std::size_t>> read_some(io::File& file, MutableBytes into, uint64_t offset, int fixed_buffer) {
  co_return co_await file.read_some_at(into, offset, fixed_buffer);
}

Task<Result<>> lock(io::File& file) {
  co_return co_await file.lock();
}

// The file that is to be written around the page cache; nullopt where the file system cannot.
std::optional<io::File> open_direct(Files& files) {
  files.temporary.write("direct", "");
  Result<io::File> file = files.open("direct", OpenMode::direct_write);
  if (!file) {
    CHECK(file.error().sys_errno == EINVAL);
    MESSAGE("no O_DIRECT in the directory for temporary files");
    return std::nullopt;
  }
  return *std::move(file);
}

}  // namespace

TEST_CASE("new files and directories belong to their owner alone") {
  const auto make = [](const io::Directory& directory) -> Task<> {
    const auto file = co_await directory.open_file("file", OpenMode::create);
    CHECK(file.has_value());
    const Result<> sub = co_await directory.make_directory("sub");
    CHECK(sub.has_value());
  };
  const mode_t before = umask(0);
  Files files;
  files.fixture.run(make(files.root));
  umask(before);
  struct stat status{};
  REQUIRE(stat((files.temporary / "file").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
  REQUIRE(stat((files.temporary / "sub").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0700);
}

TEST_CASE("nothing leads out of a directory: no .., no absolute name, no link of any kind") {
  Files files;
  std::filesystem::create_directories(files.temporary / "sub");
  files.temporary.write("sub/inside", "x");
  std::filesystem::create_symlink("/etc/passwd", files.temporary / "absolute");
  std::filesystem::create_symlink("sub/inside", files.temporary / "relative");
  std::filesystem::create_directory_symlink("sub", files.temporary / "link");
  const auto refused = [&](const char* name) { return files.fixture.run(errno_of_open(files.root, name)); };
  CHECK(refused("sub/inside") == 0);
  CHECK(refused("sub/../sub/inside") == 0);  // it stays below
  CHECK(refused("..") == EXDEV);
  CHECK(refused("../x") == EXDEV);
  CHECK(refused("sub/../../x") == EXDEV);
  CHECK(refused("/etc/passwd") == EXDEV);
  CHECK(refused("/") == EXDEV);
  CHECK(refused("absolute") == ELOOP);
  CHECK(refused("relative") == ELOOP);
  CHECK(refused("link/inside") == ELOOP);
  CHECK(refused("") == ENOENT);
  CHECK(refused(std::string(256, 'n').c_str()) == ENAMETOOLONG);
}

TEST_CASE("the root directory itself may be anywhere, behind a link too") {
  Files files;
  std::filesystem::create_directories(files.temporary / "real");
  std::filesystem::create_directory_symlink("real", files.temporary / "link");
  files.temporary.write("file", "x");
  const auto open = [](io::EventLoop& loop, const std::string& path) -> Task<Result<io::OwnedFd>> {
    co_return co_await io::open_root_directory(loop, path.c_str());
  };
  const auto at = [&](const char* name) {
    return files.fixture.run(open(files.fixture.loop(), files.temporary / name));
  };
  CHECK(at("real").has_value());
  CHECK(at("link").has_value());
  CHECK(at("missing").error().code == Errc::not_found);
  CHECK(at("file").error().sys_errno == ENOTDIR);
}

TEST_CASE("a registered buffer is written around the page cache, and read") {
  Files files;
  std::optional<io::File> direct = open_direct(files);
  if (!direct) return;
  io::BufferPool pool(files.fixture.loop(), 4 * io::kSlabBytes);
  std::optional<io::Buffer> buffer = pool.try_large(io::BufferPool::Use::upload);
  files.fixture.run(pool.close());
  if (!buffer) buffer = pool.try_large(io::BufferPool::Use::upload);
  REQUIRE(buffer.has_value());
  if (buffer->fixed_buffer() == io::kNoFixedBuffer) MESSAGE("RLIMIT_MEMLOCK: buffers are not registered here");
  const std::string text = pattern(buffer->size());
  std::ranges::copy(as_bytes(text), buffer->data());
  CHECK(files.fixture.run(write_all(*direct, buffer->bytes(), 0, buffer->fixed_buffer())).has_value());
  const Bytes part = buffer->bytes().subspan(8 * kKiB, 4 * kKiB);
  CHECK(files.fixture.run(write_all(*direct, part, text.size(), buffer->fixed_buffer())).has_value());
  const std::string expected = text + text.substr(8 * kKiB, 4 * kKiB);
  CHECK(files.temporary.read("direct") == expected);

  std::ranges::fill(buffer->bytes(), std::byte{0});
  Result<io::File> reading = files.open("direct", OpenMode::read);
  REQUIRE(reading.has_value());
  const auto got = files.fixture.run(read_some(*reading, buffer->bytes(), 4 * kKiB, buffer->fixed_buffer()));
  REQUIRE(got.has_value());
  CHECK(as_text(buffer->bytes().first(*got)) == expected.substr(4 * kKiB, *got));
}

TEST_CASE("aligned memory that is not registered is written around the page cache") {
  Files files;
  std::optional<io::File> direct = open_direct(files);
  if (!direct) return;
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  const std::size_t size = 64 * kKiB;
  const std::unique_ptr<void, Free> memory(std::aligned_alloc(io::kDirectAlignment, size));
  const MutableBytes bytes(static_cast<std::byte*>(memory.get()), size);
  const std::string text = pattern(size);
  std::ranges::copy(as_bytes(text), bytes.begin());
  CHECK(files.fixture.run(write_all(*direct, bytes, 0, io::kNoFixedBuffer)).has_value());
  CHECK(files.temporary.read("direct") == text);
}

TEST_CASE("what the kernel has let go of is not in memory until it is read again") {
  Files files;
  const std::string content = pattern(kMiB);
  files.temporary.write("cached", content);
  Result<io::File> file = files.open("cached", OpenMode::read_own);
  REQUIRE(file.has_value());
  CHECK_FALSE(file->in_memory(0, 1));  // nobody has said that it will be asked
  file->look_at_pages(content.size());
  CHECK(file->in_memory(0, content.size()));
  CHECK(file->in_memory(4'095, 2));
  CHECK_FALSE(file->in_memory(content.size() - 1, 2));  // behind its end

  const int fd = open((files.temporary / "cached").c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  REQUIRE(fdatasync(fd) == 0);
  REQUIRE(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
  close(fd);
  if (file->in_memory(401 * kKiB, 4 * kKiB)) {
    MESSAGE("the directory for temporary files is memory itself");
    return;
  }
  CHECK_FALSE(file->in_memory(1, content.size() - 1));
  std::string read(content.size(), '\0');
  const Result<std::size_t> got = files.fixture.run(read_some(*file, writable(read), 0, io::kNoFixedBuffer));
  REQUIRE(got.has_value());
  CHECK(file->in_memory(0, *got));
}

TEST_CASE("pages are counted wherever a piece begins and ends, where the kernel counts them") {
  Files files;
  const std::size_t size = 3 * 64 * kKiB + 1;
  files.temporary.write("counted", pattern(size));
  const int fd = open((files.temporary / "counted").c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  io::Ring& ring = files.fixture.loop().ring();
  if (!ring.all_cached(fd, 0, 1)) {
    MESSAGE("this kernel does not count pages, or not for us");
    close(fd);
    return;
  }
  for (const std::size_t offset : {std::size_t{0}, std::size_t{1}, std::size_t{4'095}, std::size_t{4'096}, size - 1}) {
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{2}, std::size_t{4'096}, std::size_t{4'097}, size}) {
      CAPTURE(offset);
      CAPTURE(bytes);
      CHECK(ring.all_cached(fd, offset, std::min(bytes, size - offset)) == true);
    }
  }
  REQUIRE(fdatasync(fd) == 0);
  REQUIRE(posix_fadvise(fd, 64 * kKiB, 64 * kKiB, POSIX_FADV_DONTNEED) == 0);
  if (ring.all_cached(fd, 64 * kKiB, 64 * kKiB) == true) {
    MESSAGE("the directory for temporary files is memory itself");
    close(fd);
    return;
  }
  CHECK(ring.all_cached(fd, 0, 64 * kKiB) == true);
  CHECK(ring.all_cached(fd, 0, 64 * kKiB + 1) == false);
  CHECK(ring.all_cached(fd, 128 * kKiB - 1, 2) == false);
  CHECK(ring.all_cached(fd, 128 * kKiB, 64 * kKiB + 1) == true);
  close(fd);
}

// By this process; from proc(5), /proc/pid/io.
std::optional<uint64_t> read_from_disk() {
  std::ifstream counters("/proc/self/io");
  std::string name;
  for (uint64_t bytes = 0; counters >> name >> bytes;) {
    if (name == "read_bytes:") return bytes;
  }
  return std::nullopt;
}

// Or the kernel would take a download, which asks for the next piece and then reads this one, for reads all over the
// file, and read no more ahead of it.
TEST_CASE("to ask whether bytes are in memory reads none of them") {
  Files files;
  files.temporary.write("cold", pattern(kMiB));
  Result<io::File> file = files.open("cold", OpenMode::read_own);
  REQUIRE(file.has_value());
  file->look_at_pages(kMiB);
  CHECK(file->in_memory(0, 64 * kKiB));  // the program's own pages, which ask, are read here
  REQUIRE(read_from_disk().has_value());
  const int fd = open((files.temporary / "cold").c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  REQUIRE(fdatasync(fd) == 0);
  REQUIRE(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
  close(fd);
  const std::optional<uint64_t> before = read_from_disk();
  if (file->in_memory(512 * kKiB, 64 * kKiB)) {
    MESSAGE("the directory for temporary files is memory itself");
    return;
  }
  CHECK(read_from_disk() == before);
}

TEST_CASE("offsets above 4 GiB are offsets above 4 GiB") {
  const auto far = [](io::File& file) -> Task<> {
    constexpr uint64_t kFar = 5 * kGiB + 3;
    const Result<> wrote = co_await file.write_all_at(as_bytes("far"), kFar);
    CHECK(wrote.has_value());
    io::FileStatus status;
    static_cast<void>(co_await file.stat(status));
    CHECK(status.size_bytes == kFar + 3);
    std::string into(10, '\0');
    const auto got = co_await file.read_some_at(writable(into), kFar);
    REQUIRE(got.has_value());
    CHECK(into.substr(0, *got) == "far");
    const Result<> cut = co_await file.truncate(4 * kGiB + 1);
    CHECK(cut.has_value());
    static_cast<void>(co_await file.stat(status));
    CHECK(status.size_bytes == 4 * kGiB + 1);
  };
  Files files;
  Result<io::File> file = files.open("sparse", OpenMode::create);
  REQUIRE(file.has_value());
  files.fixture.run(far(*file));
}

TEST_CASE("a file that another process has locked is locked, and free when that process ends") {
  Files files;
  files.temporary.write("lock", "");
  const std::string path = files.temporary / "lock";
  Result<io::File> file = files.open("lock", OpenMode::read_write);
  REQUIRE(file.has_value());
  {
    // The child's descriptor is inherited by nobody; it ends when its input ends.
    int go[2];
    int ready[2];
    REQUIRE(pipe(go) == 0);
    REQUIRE(pipe(ready) == 0);
    std::cout.flush();  // what is buffered is the parent's to write
    const pid_t child = fork();
    if (child == 0) {
      close(go[1]);
      const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
      char byte = flock(fd, LOCK_EX) == 0 ? 'l' : '?';
      const bool told = write(ready[1], &byte, 1) == 1;
      const bool waited = read(go[0], &byte, 1) == 0;
      _exit(told && waited ? 0 : 1);
    }
    close(go[0]);
    char byte = 0;
    REQUIRE(read(ready[0], &byte, 1) == 1);
    CHECK(byte == 'l');
    const Result<> taken = files.fixture.run(lock(*file));
    REQUIRE_FALSE(taken.has_value());
    CHECK(taken.error().sys_errno == EWOULDBLOCK);
    close(go[1]);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    close(ready[0]);
    close(ready[1]);
  }
  CHECK(files.fixture.run(lock(*file)).has_value());
  const std::string other = from_child([&] {
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    return std::string(flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK ? "locked" : "free");
  });
  CHECK(other == "locked");
}

TEST_CASE("a write past RLIMIT_FSIZE fails with no_space and ends nothing") {
  Files files;
  Result<io::File> file = files.open("limited", OpenMode::create);
  REQUIRE(file.has_value());
  const auto signal_before = std::signal(SIGXFSZ, SIG_IGN);  // as block_termination_signals() does
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit limited{10'000, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_FSIZE, &limited) == 0);
  const Result<> wrote = files.fixture.run(write_all(*file, as_bytes(pattern(20'000)), 0, io::kNoFixedBuffer));
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, signal_before);
  REQUIRE_FALSE(wrote.has_value());
  CHECK(wrote.error().code == Errc::no_space);
  CHECK(wrote.error().sys_errno == EFBIG);
  CHECK(files.temporary.read("limited") == pattern(10'000));
}

TEST_CASE("a full device is no_space") {
  TestLoop fixture;
  const io::Directory devices = fixture.run(open_root(fixture.loop(), "/dev"));
  Result<io::File> full = fixture.run(open_file(fixture.loop(), devices, "full", OpenMode::read_write));
  REQUIRE(full.has_value());
  const Result<> wrote = fixture.run(write_all(*full, as_bytes("x"), 0, io::kNoFixedBuffer));
  REQUIRE_FALSE(wrote.has_value());
  CHECK(wrote.error().code == Errc::no_space);
}

TEST_CASE("a directory of many entries is listed whole") {
  const auto list = [](const io::Directory& directory, std::vector<std::string>& names) -> Task<> {
    const Result<> listed = co_await directory.list(names);
    CHECK(listed.has_value());
  };
  Files files;
  for (int i = 0; i < 3'000; ++i) files.temporary.write("entry" + std::to_string(i), "");
  std::vector<std::string> names;
  files.fixture.run(list(files.root, names));
  CHECK(names.size() == 3'000);
}

}  // namespace ringdrop::test
