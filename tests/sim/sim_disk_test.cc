// What a power cut leaves on the simulated disk, and what it does not.
#include "tests/sim/sim_disk.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <cerrno>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace ringdrop::sim {
namespace {

constexpr uint64_t kSeeds = 300;

InodePtr made(SimDisk& disk, const char* path) {
  InodePtr inode;
  REQUIRE(disk.open(disk.root(), path, O_CREAT, inode) == 0);
  return inode;
}

InodePtr found(SimDisk& disk, const char* path) {
  InodePtr inode;
  return disk.open(disk.root(), path, 0, inode) == 0 ? inode : nullptr;
}

std::string content_of(const InodePtr& inode) {
  std::string text(as_text(inode->content.bytes));
  text.resize(inode->content.size);
  return text;
}

void write(SimDisk& disk, const InodePtr& inode, std::string_view text, uint64_t offset = 0) {
  REQUIRE(disk.write(*inode, as_bytes(text), offset) == static_cast<int64_t>(text.size()));
}

}  // namespace

TEST_CASE("what was synced, with its directory, is there after every crash") {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimDisk disk(kMiB);
    Random chance(seed);
    const InodePtr file = made(disk, "a");
    write(disk, file, "synced");
    disk.sync(*file);
    disk.sync(*disk.root());
    disk.crash(chance);
    REQUIRE(found(disk, "a"));
    CHECK(content_of(found(disk, "a")) == "synced");
    disk.crash(chance);
    CHECK(content_of(found(disk, "a")) == "synced");
  }
}

TEST_CASE("what was not synced may be lost, kept or kept in part, and nothing is invented") {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimDisk disk(kMiB);
    Random chance(seed);
    const InodePtr file = made(disk, "a");
    write(disk, file, "....");
    disk.sync(*file);
    disk.sync(*disk.root());
    write(disk, file, "1", 0);
    write(disk, file, "2", 2);
    CHECK(content_of(file) == "1.2.");
    disk.crash(chance);
    seen.insert(content_of(found(disk, "a")));
  }
  CHECK(seen == std::set<std::string>{"....", "1...", "..2.", "1.2."});
}

TEST_CASE("a write of several sectors may be torn between them, never inside one") {
  const std::string old_sector(kSectorBytes, 'o');
  const std::string new_sector(kSectorBytes, 'n');
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimDisk disk(kMiB);
    Random chance(seed);
    const InodePtr file = made(disk, "a");
    write(disk, file, old_sector + old_sector + old_sector);
    disk.sync(*file);
    disk.sync(*disk.root());
    write(disk, file, new_sector + new_sector + new_sector);
    disk.crash(chance);
    const std::string content = content_of(found(disk, "a"));
    REQUIRE(content.size() == 3 * kSectorBytes);
    std::string sectors;
    for (std::size_t i = 0; i < 3; ++i) {
      const std::string sector = content.substr(i * kSectorBytes, kSectorBytes);
      CHECK((sector == old_sector || sector == new_sector));
      sectors += sector[0];
    }
    seen.insert(sectors);
  }
  CHECK(seen.size() == 8);  // every combination
}

namespace {

// What each sector of the first three has after a cut in many worlds: d (direct), p (page cache), 0 (zeros); its length
// says the size.
std::set<std::string> remains_of(const std::function<void(SimDisk&, const InodePtr&)>& work) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimDisk disk(kMiB);
    Random chance(seed);
    const InodePtr file = made(disk, "a");
    disk.sync(*disk.root());
    work(disk, file);
    disk.crash(chance);
    const std::string content = content_of(found(disk, "a"));
    std::string sectors;
    for (std::size_t at = 0; at < content.size(); at += kSectorBytes) sectors += content[at] == 0 ? '0' : content[at];
    seen.insert(sectors);
  }
  return seen;
}

void write_sector(SimDisk& disk, const InodePtr& file, std::size_t sector, bool direct) {
  const std::string bytes(kSectorBytes, direct ? 'd' : 'p');
  REQUIRE(disk.write(*file, as_bytes(bytes), sector * kSectorBytes, direct) == static_cast<int64_t>(kSectorBytes));
}

}  // namespace

TEST_CASE("direct writes that extend a file survive as a prefix: a size that counts them has them") {
  const auto work = [](SimDisk& disk, const InodePtr& file) {
    for (std::size_t sector = 0; sector < 3; ++sector) write_sector(disk, file, sector, true);
  };
  CHECK(remains_of(work) == std::set<std::string>{"", "d", "dd", "ddd"});
}

TEST_CASE("a write through the page cache may be counted by the size and be zeros, in any combination") {
  const auto work = [](SimDisk& disk, const InodePtr& file) {
    write_sector(disk, file, 0, false);
    write_sector(disk, file, 1, false);
  };
  CHECK(remains_of(work) == std::set<std::string>{"", "0", "p", "00", "0p", "p0", "pp"});
}

TEST_CASE("a direct write behind one through the page cache raises the size over it") {
  const auto work = [](SimDisk& disk, const InodePtr& file) {
    write_sector(disk, file, 0, true);
    write_sector(disk, file, 1, false);
    write_sector(disk, file, 2, true);
  };
  CHECK(remains_of(work) == std::set<std::string>{"", "d", "d0", "dp", "d0d", "dpd"});
}

TEST_CASE("a file that was cut may have its old size, never other bytes") {
  const auto work = [](SimDisk& disk, const InodePtr& file) {
    for (std::size_t sector = 0; sector < 3; ++sector) write_sector(disk, file, sector, true);
    disk.sync(*file);
    REQUIRE(disk.resize(*file, kSectorBytes) == 0);
    write_sector(disk, file, 1, true);
  };
  CHECK(remains_of(work) == std::set<std::string>{"ddd", "d", "dd"});
}

TEST_CASE("a killed process takes nothing with it, and what was not synced is still not") {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimDisk disk(kMiB);
    Random chance(seed);
    const InodePtr file = made(disk, "a");
    disk.sync(*disk.root());
    write(disk, file, "text");
    file->locked = true;
    disk.kill();
    CHECK_FALSE(file->locked);
    CHECK(content_of(found(disk, "a")) == "text");
    disk.crash(chance);
    seen.insert(content_of(found(disk, "a")));
  }
  CHECK(seen == std::set<std::string>{"", "text", std::string(4, '\0')});
}

TEST_CASE("a file's entry needs a sync of its directory, however well the file is synced") {
  int kept = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimDisk disk(kMiB);
    Random chance(seed);
    const InodePtr file = made(disk, "a");
    write(disk, file, "synced");
    disk.sync(*file);
    disk.crash(chance);
    const InodePtr after = found(disk, "a");
    if (!after) continue;
    ++kept;
    CHECK(content_of(after) == "synced");
  }
  CHECK(kept > 0);
  CHECK(kept < static_cast<int>(kSeeds));
}

TEST_CASE("a file in a new directory needs the syncs of both directories") {
  int lost = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimDisk disk(kMiB);
    Random chance(seed);
    REQUIRE(disk.make_directory(disk.root(), "d") == 0);
    disk.sync(*made(disk, "d/a"));
    disk.sync(*found(disk, "d"));
    const bool parent_too = seed % 2 == 0;
    if (parent_too) disk.sync(*disk.root());
    disk.crash(chance);
    const bool there = found(disk, "d/a") != nullptr;
    if (parent_too) CHECK(there);
    if (!there) ++lost;
  }
  CHECK(lost > 0);
}

TEST_CASE("a removal that was not synced may be undone, one that was is not") {
  std::set<bool> without_sync;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimDisk disk(kMiB);
    Random chance(seed);
    const InodePtr file = made(disk, "a");
    write(disk, file, "synced");
    disk.sync(*file);
    disk.sync(*disk.root());
    REQUIRE(disk.unlink(disk.root(), "a", false) == 0);
    const bool synced = seed % 2 == 0;
    if (synced) disk.sync(*disk.root());
    disk.crash(chance);
    const InodePtr after = found(disk, "a");
    if (synced) CHECK(after == nullptr);
    if (!synced) without_sync.insert(after != nullptr);
    if (after) CHECK(content_of(after) == "synced");
  }
  CHECK(without_sync.size() == 2);
}

TEST_CASE("entries of one directory survive in the order in which they were made") {
  std::set<std::size_t> counts;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimDisk disk(kMiB);
    Random chance(seed);
    const std::vector<const char*> names = {"a", "b", "c", "d"};
    for (const char* name : names) made(disk, name);
    disk.crash(chance);
    std::size_t count = 0;
    while (count < names.size() && found(disk, names[count])) ++count;
    CHECK(disk.root()->entries.size() == count);
    counts.insert(count);
  }
  CHECK(counts.size() == 5);
}

TEST_CASE("a size that was not synced may fall back") {
  std::set<uint64_t> sizes;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimDisk disk(kMiB);
    Random chance(seed);
    const InodePtr file = made(disk, "a");
    REQUIRE(disk.resize(*file, 100) == 0);
    disk.sync(*file);
    disk.sync(*disk.root());
    REQUIRE(disk.allocate(*file, 1'000) == 0);
    REQUIRE(disk.allocate(*file, 500) == 0);  // there is more already
    CHECK(file->content.size == 1'000);
    disk.crash(chance);
    sizes.insert(found(disk, "a")->content.size);
  }
  CHECK(sizes == std::set<uint64_t>{100, 1'000});
}

TEST_CASE("a disk that ignores syncs loses what was synced: so the tests of durability can fail") {
  int lost = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimDisk disk(kMiB);
    Random chance(seed);
    disk.ignore_syncs(true);
    const InodePtr file = made(disk, "a");
    write(disk, file, "synced");
    disk.sync(*file);
    disk.sync(*disk.root());
    disk.crash(chance);
    const InodePtr after = found(disk, "a");
    if (!after || content_of(after) != "synced") ++lost;
  }
  CHECK(lost > static_cast<int>(kSeeds) / 4);
}

TEST_CASE("locks end with the process that a crash kills") {
  SimDisk disk(kMiB);
  Random chance(1);
  const InodePtr file = made(disk, "a");
  disk.sync(*disk.root());
  file->locked = true;
  disk.crash(chance);
  CHECK_FALSE(found(disk, "a")->locked);
}

TEST_CASE("the same seed leaves the same disk") {
  const auto remains = [](uint64_t seed) {
    SimDisk disk(kMiB);
    Random chance(seed);
    for (const char* name : {"a", "b", "c"}) write(disk, made(disk, name), std::string(3'000, 'x'));
    disk.crash(chance);
    std::string all;
    for (const auto& [name, inode] : disk.root()->entries) all += name + content_of(inode);
    return all;
  };
  std::set<std::string> different;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    CHECK(remains(seed) == remains(seed));
    different.insert(remains(seed));
  }
  CHECK(different.size() > 10);
}

TEST_CASE("space is counted once a file, and is free again when the file is removed") {
  SimDisk disk(10'000);
  InodePtr file = made(disk, "a");
  write(disk, file, std::string(6'000, 'x'));
  write(disk, file, std::string(6'000, 'y'));
  CHECK(disk.status().free_bytes == 4'000);
  const std::string much(5'000, 'z');
  CHECK(disk.write(*file, as_bytes(much), 6'000) == -ENOSPC);
  disk.sync(*disk.root());
  REQUIRE(disk.unlink(disk.root(), "a", false) == 0);
  CHECK(disk.status().free_bytes == 10'000);
}

}  // namespace ringdrop::sim
