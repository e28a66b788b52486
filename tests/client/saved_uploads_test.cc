#include "client/saved_uploads.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/io/temporary_directory.h"

namespace ringdrop::client {
namespace {

UploadKey some_key() {
  return {.server = "http://h/", .path = "/a/b", .size_bytes = 7, .modified_ns = 8};
}

}  // namespace

TEST_CASE("what is remembered comes back for the same file of the same server alone") {
  const test::TemporaryDirectory directory;
  const SavedUploads saved((directory.path() / "ringdrop").string());
  const UploadKey key = some_key();
  CHECK_FALSE(saved.load(key).has_value());
  REQUIRE(saved.save(key, "tus", "/uploads/1").has_value());
  REQUIRE(saved.load(key).has_value());
  CHECK(saved.load(key)->location == "/uploads/1");
  CHECK(saved.load(key)->protocol == "tus");
  for (int what = 0; what < 4; ++what) {
    UploadKey other = some_key();
    if (what == 0) other.server = "http://i/";
    if (what == 1) other.path = "/a/c";
    if (what == 2) other.size_bytes = 6;
    if (what == 3) other.modified_ns = 9;
    CHECK_FALSE(saved.load(other).has_value());
  }
  REQUIRE(saved.remove(key).has_value());
  CHECK_FALSE(saved.load(key).has_value());
}

TEST_CASE("a state that is torn, or of another file, is none") {
  const test::TemporaryDirectory directory;
  const SavedUploads saved(directory.path().string());
  const UploadKey key = some_key();
  REQUIRE(saved.save(key, "tus", "/uploads/1").has_value());
  const auto file = std::filesystem::directory_iterator(directory.path())->path();
  UploadKey other = some_key();
  other.path = "/z";
  REQUIRE(saved.save(other, "tus", "/uploads/2").has_value());
  std::filesystem::path other_file;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    if (entry.path() != file) other_file = entry.path();
  }
  std::filesystem::copy_file(other_file, file, std::filesystem::copy_options::overwrite_existing);
  CHECK_FALSE(saved.load(key).has_value());
  std::ofstream(file) << "{\"server\":";
  CHECK_FALSE(saved.load(key).has_value());
}

TEST_CASE("the directory is that of the XDG specification, or none") {
  CHECK(SavedUploads::directory("/state", "/home/a") == "/state/ringdrop");
  CHECK(SavedUploads::directory(nullptr, "/home/a") == "/home/a/.local/state/ringdrop");
  CHECK(SavedUploads::directory("", "/home/a") == "/home/a/.local/state/ringdrop");
  CHECK(SavedUploads::directory("relative", "/home/a") == "/home/a/.local/state/ringdrop");
  CHECK(SavedUploads::directory(nullptr, nullptr) == "");
  const SavedUploads nothing("");
  CHECK(nothing.save(some_key(), "tus", "/uploads/1").has_value());
  CHECK_FALSE(nothing.load(some_key()).has_value());
  CHECK(nothing.remove(some_key()).has_value());
}

}  // namespace ringdrop::client
