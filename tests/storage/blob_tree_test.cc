#include "storage/blob_tree.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "storage/checksums.h"

namespace ringdrop::storage {
namespace {

// A data directory, made by hand.
class Tree {
 public:
  Tree() {
    std::string name = (std::filesystem::temp_directory_path() / "ringdrop-tree-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    root_ = name;
    std::filesystem::create_directories(root_ / "blobs/0000002a");
    std::filesystem::create_directories(root_ / "unsettled/0000002a");
  }
  ~Tree() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  void write(const std::string& name, const std::string& content) const {
    std::ofstream(root_ / name, std::ios::binary) << content;
  }
  const std::filesystem::path& path() const { return root_; }
  BlobTree open() const {
    io::Result<BlobTree> tree = BlobTree::open(root_.string());
    REQUIRE(tree);
    return *std::move(tree);
  }

 private:
  std::filesystem::path root_;
};

Extent extent_of(BlobId id, const std::string& content) {
  Checksums checksums;
  checksums.update(std::as_bytes(std::span(content)));
  Extent extent;
  extent.file = id;
  extent.length_bytes = content.size();
  extent.checksums = checksums.finish();
  return extent;
}

bool go_on(Bytes) {
  return true;
}

}  // namespace

TEST_CASE("directories, marks, blobs and strangers are told apart") {
  const Tree made;
  made.write("blobs/0000002a/0b3", "12345");
  made.write("blobs/0000002a/000", "");
  made.write("blobs/0000002a/0B4", "x");
  made.write("blobs/0000002b", "a file, where a directory belongs");
  std::filesystem::create_directory(made.path() / "blobs/xyz");
  const BlobTree tree = made.open();
  const DirectoryNumbers directories = tree.directories().value();
  CHECK(directories.numbers == std::vector<uint32_t>{0x2a});
  CHECK(directories.strangers.size() == 2);
  CHECK(tree.marks()->numbers == std::vector<uint32_t>{0x2a});
  CHECK(tree.is_marked(0x2a).value());
  CHECK_FALSE(tree.is_marked(0x2b).value());
  const FoundBlobs found = tree.list(0x2a).value();
  REQUIRE(found.blobs.size() == 2);
  CHECK(found.blobs[0].id == BlobId::make(0x2a, 0));
  CHECK(found.blobs[1].id == BlobId::make(0x2a, 0xb3));
  CHECK(found.blobs[1].size_bytes == 5);
  CHECK(found.strangers == std::vector<std::string>{"0B4"});
  CHECK(tree.list(0x2c)->blobs.empty());
  CHECK(tree.list(0x2b)->blobs.empty());
  CHECK_FALSE(tree.find(BlobId::make(0x2b, 0))->has_value());
}

TEST_CASE("a symbolic link in a directory's place leads nowhere") {
  const Tree made;
  std::filesystem::create_directory(made.path() / "elsewhere");
  made.write("elsewhere/001", "1");
  std::filesystem::create_directory_symlink("../elsewhere", made.path() / "blobs/0000002b");
  const BlobTree tree = made.open();
  const BlobId id = BlobId::make(0x2b, 1);
  CHECK(tree.directories()->strangers == std::vector<std::string>{"0000002b"});
  CHECK(tree.list(0x2b)->foreign);
  CHECK(tree.list(0x2b)->blobs.empty());
  CHECK_FALSE(tree.list(0x2a)->foreign);
  CHECK_FALSE(tree.list(0x2c)->foreign);
  CHECK_FALSE(tree.find(id)->has_value());
  CHECK(tree.remove(id).error().code == io::Errc::corrupt);
  CHECK_FALSE(tree.scan(extent_of(id, "1"), go_on).has_value());
  CHECK(std::filesystem::exists(made.path() / "elsewhere/001"));
}

TEST_CASE("a removed blob is not found, and may be removed again") {
  const Tree made;
  made.write("blobs/0000002a/001", "1");
  const BlobTree tree = made.open();
  const BlobId id = BlobId::make(0x2a, 1);
  CHECK(path_in_data(id) == "blobs/0000002a/001");
  CHECK(tree.find(id)->has_value());
  CHECK(tree.remove(id));
  CHECK(tree.remove(id));
  CHECK(tree.sync(0x2a));
  CHECK_FALSE(tree.find(id)->has_value());
}

TEST_CASE("a sound extent is seen whole; what differs is named by its span") {
  const Tree made;
  const BlobTree tree = made.open();
  const BlobId id = BlobId::make(0x2a, 7);
  std::string content(kChecksumSpan + 12'345, 'c');
  const Extent extent = extent_of(id, content);
  made.write("blobs/0000002a/007", content);
  uint64_t seen = 0;
  const auto count = [&](Bytes bytes) {
    seen += bytes.size();
    return true;
  };
  CHECK(tree.scan(extent, count)->sound(content.size()));
  CHECK(seen == content.size());

  content[kChecksumSpan - 1] ^= 1;
  made.write("blobs/0000002a/007", content);
  CHECK(tree.scan(extent, go_on)->rotten == std::vector<uint64_t>{0});
  content[kChecksumSpan] ^= 1;
  made.write("blobs/0000002a/007", content);
  CHECK(tree.scan(extent, go_on)->rotten == std::vector<uint64_t>{0, kChecksumSpan});

  // Without a checksum nothing is said to be rotten.
  Extent unproven = extent_of(id, content);
  unproven.checksums.resize(kChecksumBytes);
  CHECK(tree.scan(unproven, go_on)->rotten.empty());
  CHECK(tree.scan(unproven, go_on)->unknown == std::vector<uint64_t>{kChecksumSpan});
  CHECK_FALSE(tree.scan(unproven, go_on)->sound(content.size()));

  made.write("blobs/0000002a/007", content.substr(0, 10));
  CHECK_FALSE(tree.scan(extent, go_on)->sound(content.size()));
  CHECK(tree.scan(extent, [](Bytes) { return false; }).error().code == io::Errc::cancelled);
  CHECK(tree.remove(id));
  CHECK(tree.scan(extent, go_on).error().code == io::Errc::not_found);
}

TEST_CASE("what ends in the middle of its scan cannot be read from there on, and what was read has been seen") {
  const Tree made;
  const BlobTree tree = made.open();
  const std::string content(kChecksumSpan + 5 * kMiB, 'c');
  const Extent extent = extent_of(BlobId::make(0x2a, 7), content);
  made.write("blobs/0000002a/007", content);
  uint64_t seen = 0;
  const io::Result<ScannedExtent> scanned = tree.scan(extent, [&](Bytes bytes) {
    seen += bytes.size();
    if (seen == kChecksumSpan + kMiB) std::filesystem::resize_file(made.path() / "blobs/0000002a/007", seen);
    return true;
  });
  CHECK(scanned->unreadable == std::vector<uint64_t>{kChecksumSpan});
  CHECK(scanned->rotten.empty());
  CHECK(seen == kChecksumSpan + kMiB);
}

}  // namespace ringdrop::storage
