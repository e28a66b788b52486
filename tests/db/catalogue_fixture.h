// A catalogue in a temporary directory with what it needs around it, and links to put into it.
#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "db/catalogue.h"
#include "tests/support/loop_fixture.h"

namespace ringdrop::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "ringdrop-db-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::string file(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// SQL from outside, also such as no connection of ours would take.
inline void change(const std::string& path, const char* sql) {
  sqlite3* connection = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &connection) == SQLITE_OK);
  CHECK(sqlite3_exec(connection, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(connection);
}

// Runs batches when the test says so, on the test's thread: what is in a batch is no chance.
class SteppedLane final : public io::Lane {
 public:
  explicit SteppedLane(io::Batch& batch) : batch_(batch) {}

  bool enqueue(io::Job& job, io::Ring& ring) override {
    jobs_.push_back(&job);
    ring_ = &ring;
    return true;
  }
  void run_batch() {
    const std::vector<io::Job*> jobs = std::exchange(jobs_, {});
    batch_.run_all(jobs);
    for (io::Job* const job : jobs) ring_->complete_from_thread(*job, 0);
  }

 private:
  io::Batch& batch_;
  io::Ring* ring_ = nullptr;
  std::vector<io::Job*> jobs_;
};

inline std::unique_ptr<db::CatalogueFile> open_file(const db::CatalogueOptions& options, io::Log& log) {
  io::Result<std::unique_ptr<db::CatalogueFile>> file = db::CatalogueFile::open(options, log);
  REQUIRE_MESSAGE(file.has_value(), io::describe(file.error()));
  return *std::move(file);
}

// The catalogue as the server has it: a thread for each lane.
struct CatalogueFixture {
  explicit CatalogueFixture(const db::CatalogueOptions& options, LoopFixture& fixture)
      : file(open_file(options, fixture.log())) {}

  std::unique_ptr<db::CatalogueFile> file;
  io::WorkerLane writer{"writer", 1, 4096, file.get()};
  io::WorkerLane reader{"reader", 1, 4096, &file->reads()};
  io::WorkerLane checkpointer{"checkpointer", 1, 16};
  db::Catalogue catalogue{*file, writer, reader, checkpointer};
};

// The same, with a writer that is stepped.
struct SteppedCatalogue {
  explicit SteppedCatalogue(const db::CatalogueOptions& options, LoopFixture& fixture)
      : file(open_file(options, fixture.log())) {}

  std::unique_ptr<db::CatalogueFile> file;
  SteppedLane writer{*file};
  io::WorkerLane reader{"reader", 1, 16, &file->reads()};
  io::WorkerLane checkpointer{"checkpointer", 1, 16};
  db::Catalogue catalogue{*file, writer, reader, checkpointer};
};

inline constexpr io::EpochMs kNow = 1'700'000'000'000;
inline constexpr io::EpochMs kLater = kNow + 1'000;

// A link of one small extent; different numbers give different tokens and files.
inline db::Link make_link(uint64_t number) {
  db::Link link;
  link.token = fmt::format("{:022}", number);
  link.name = fmt::format("file {}.txt", number);
  link.content_type = "text/plain";
  link.size_bytes = 5;
  link.created_at_ms = kNow - 1'000;
  link.delete_hash = std::string(32, 'd');
  db::Extent extent;
  extent.file = number;
  extent.length_bytes = 5;
  extent.checksums = std::string(db::kChecksumBytes, 'x');
  link.extents.push_back(std::move(extent));
  return link;
}

// Of two files, its own and another.
inline db::Link make_link_of_two(uint64_t number, uint64_t second_file) {
  db::Link link = make_link(number);
  link.extents.push_back(make_link(second_file).extents[0]);
  link.size_bytes *= 2;
  return link;
}

// Of one number, with its bytes in the catalogue.
inline db::Link make_small_link(uint64_t number, std::string bytes) {
  db::Link link = make_link(number);
  link.extents.clear();
  link.size_bytes = bytes.size();
  link.content.emplace(std::move(bytes), std::string(db::kChecksumBytes, 'y'));
  return link;
}

inline bool same(const db::Link& a, const db::Link& b) {
  const auto fields = [](const db::Link& link) {
    return std::tie(link.token, link.name, link.content_type, link.size_bytes, link.created_at_ms, link.delete_hash,
                    link.expires_at_ms, link.max_downloads, link.downloads, link.sha256, link.sha512);
  };
  const auto same_extent = [](const db::Extent& x, const db::Extent& y) {
    return x.file == y.file && x.length_bytes == y.length_bytes && x.checksums == y.checksums;
  };
  const auto same_content = [](const db::Content& x, const db::Content& y) {
    return x.bytes == y.bytes && x.checksums == y.checksums;
  };
  if (a.content.has_value() != b.content.has_value()) return false;
  if (a.content && !same_content(*a.content, *b.content)) return false;
  return fields(a) == fields(b) && std::ranges::equal(a.extents, b.extents, same_extent);
}

inline io::Task<> probe(db::Catalogue& catalogue, io::EventLoop& loop, std::optional<io::Result<>>& outcome) {
  const io::Result<> probed = co_await catalogue.probe(loop);
  outcome.emplace(probed);
}

// As a child of a scope: what insert() and remove() brought, for a test to look at afterwards.
inline io::Task<> insert_into(db::Catalogue& catalogue, io::EventLoop& loop, const db::Link& link,
                              std::optional<io::Result<>>& outcome) {
  const io::Result<> inserted = co_await catalogue.insert(loop, link);
  outcome.emplace(inserted);
}

// The way of a deleted link: it ends, then the sweeper removes it.
inline io::Task<io::Result<bool>> end_and_remove(db::Catalogue& catalogue, io::EventLoop& loop, std::string token) {
  const io::Result<bool> ended = co_await catalogue.set_expiry(loop, token, db::kEnded, kNow);
  if (!ended) co_return ended;
  co_return co_await catalogue.remove_ended(loop, token, kNow);
}

// Of a link that has ended by kLater.
inline io::Task<> remove_from(db::Catalogue& catalogue, io::EventLoop& loop, std::string token,
                              std::optional<io::Result<>>& outcome) {
  const io::Result<bool> removed = co_await catalogue.remove_ended(loop, token, kLater);
  if (removed) {
    outcome.emplace();
  } else {
    outcome.emplace(std::unexpected(removed.error()));
  }
}

}  // namespace ringdrop::test
