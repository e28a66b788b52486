#include "io/small_file.h"

#include <doctest/doctest.h>

#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "tests/io/temporary_directory.h"

namespace ringdrop::test {
namespace {

unsigned mode_of(const std::filesystem::path& path) {
  struct stat status{};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 0777U;
}

}  // namespace

TEST_CASE("a small file is replaced as a whole, for its user alone, with the directories above it") {
  const TemporaryDirectory directory;
  const std::string path = (directory.path() / "a" / "b" / "state.json").string();
  REQUIRE(io::replace_small_file(path, "one").has_value());
  CHECK(io::read_small_file(path, 10) == "one");
  REQUIRE(io::replace_small_file(path, "three").has_value());
  CHECK(io::read_small_file(path, 10) == "three");
  CHECK(mode_of(path) == 0600);
  CHECK(mode_of(directory.path() / "a") == 0700);
  CHECK(mode_of(directory.path() / "a" / "b") == 0700);
  // Nothing temporary stays behind.
  const auto entries = std::filesystem::directory_iterator(directory.path() / "a" / "b");
  CHECK(std::distance(begin(entries), end(entries)) == 1);
}

TEST_CASE("what cannot be read as a small file says why") {
  const TemporaryDirectory directory;
  const std::string path = (directory.path() / "f").string();
  CHECK(io::read_small_file(path, 10).error().code == io::Errc::not_found);
  CHECK(io::read_small_file(directory.path().string(), 10).error().code == io::Errc::refused);
  REQUIRE(io::replace_small_file(path, "12345678901").has_value());
  CHECK(io::read_small_file(path, 10).error().code == io::Errc::refused);
  CHECK(io::read_small_file(path, 11).has_value());
  CHECK_FALSE(io::replace_small_file(path + "/below", "x").has_value());
}

TEST_CASE("what is not there is removed without a word") {
  const TemporaryDirectory directory;
  const std::string path = (directory.path() / "f").string();
  REQUIRE(io::replace_small_file(path, "x").has_value());
  CHECK(io::remove_small_file(path).has_value());
  CHECK(io::remove_small_file(path).has_value());
  CHECK(io::read_small_file(path, 10).error().code == io::Errc::not_found);
}

}  // namespace ringdrop::test
