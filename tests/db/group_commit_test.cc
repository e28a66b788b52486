#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "db/catalogue.h"
#include "tests/db/catalogue_fixture.h"
#include "tests/db/faulty_vfs.h"

namespace ringdrop::db {
namespace {

struct Fixture {
  CatalogueOptions options() const {
    CatalogueOptions options;
    options.path = directory.file("catalogue.sqlite");
    options.vfs = vfs.name();
    return options;
  }
  bool has(Catalogue& catalogue, uint64_t number) {
    const auto found = loop.run(catalogue.find(loop.loop(), test::make_link(number).token, test::kNow));
    REQUIRE(found.has_value());
    return found->has_value();
  }

  test::TemporaryDirectory directory;
  test::FaultyVfs vfs;
  test::LoopFixture loop;
};

// The loop's time when it was written; goes on when that is past.
io::Task<> note_time(io::Task<io::Result<>> write, io::EventLoop& loop, std::vector<io::TimePoint>& times) {
  const io::Result<> written = co_await std::move(write);
  CHECK(written.has_value());
  times.push_back(loop.now());
  while (loop.ring().now() <= times.back()) {
  }
}

TEST_CASE_FIXTURE(Fixture, "1,000 inserts at once share a few transactions and syncs") {
  test::CatalogueFixture parts(options(), loop);
  constexpr std::size_t kInserts = 1000;
  std::vector<Link> links;
  std::vector<std::optional<io::Result<>>> outcomes(kInserts);
  for (std::size_t i = 0; i < kInserts; ++i) links.push_back(test::make_link(i));
  const uint64_t syncs_before = vfs.syncs();
  {
    io::TaskScope scope(loop.loop());
    // The first is held in its sync until all others wait: however slow this machine is.
    vfs.hold(test::FaultyVfs::sync | test::FaultyVfs::wal_only);
    for (std::size_t i = 0; i < kInserts; ++i) {
      if (i == 1) vfs.wait_until_held();
      scope.spawn(test::insert_into(parts.catalogue, loop.loop(), links[i], outcomes[i]));
    }
    vfs.release();
    test::drain(loop.loop(), scope);
  }
  for (const auto& outcome : outcomes) REQUIRE(outcome->has_value());
  CHECK(parts.catalogue.commits() < 10);
  CHECK(vfs.syncs() - syncs_before < 20);
  const auto files = loop.run(parts.catalogue.files_between(loop.loop(), 0, kInserts));
  CHECK(files->size() == kInserts);
}

TEST_CASE_FIXTURE(Fixture, "every commit is synced with full durability, none with process") {
  for (const Durability durability : {Durability::full, Durability::process}) {
    CatalogueOptions how = options();
    how.durability = durability;
    if (durability == Durability::process) how.path = directory.file("process.sqlite");
    const uint64_t before_open = vfs.syncs();
    test::CatalogueFixture parts(how, loop);
    const uint64_t before = vfs.syncs();
    for (uint64_t i = 1; i <= 10; ++i) {
      REQUIRE(loop.run(parts.catalogue.insert(loop.loop(), test::make_link(i))));
    }
    if (durability == Durability::full) {
      CHECK(vfs.syncs() - before >= 10);
    } else {
      CHECK(vfs.syncs() == before_open);
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "of writes that end together each goes on at its own time, not at that of the first") {
  test::SteppedCatalogue parts(options(), loop);
  std::vector<Link> links;
  for (uint64_t i = 0; i < 3; ++i) links.push_back(test::make_link(i));
  std::vector<io::TimePoint> times;
  io::TaskScope scope(loop.loop());
  for (const Link& link : links) scope.spawn(note_time(parts.catalogue.insert(loop.loop(), link), loop.loop(), times));
  parts.writer.run_batch();
  test::drain(loop.loop(), scope);
  REQUIRE(times.size() == 3);
  CHECK(times[0] < times[1]);
  CHECK(times[1] < times[2]);
}

TEST_CASE_FIXTURE(Fixture, "one bad insert in a batch does not harm the others") {
  test::SteppedCatalogue parts(options(), loop);
  std::vector<Link> links;
  for (uint64_t i = 0; i < 5; ++i) links.push_back(test::make_link(i));
  links[2].token = links[0].token;
  links[3].extents[0].file = links[1].extents[0].file;
  std::vector<std::optional<io::Result<>>> outcomes(links.size());
  io::TaskScope scope(loop.loop());
  for (std::size_t i = 0; i < links.size(); ++i) {
    scope.spawn(test::insert_into(parts.catalogue, loop.loop(), links[i], outcomes[i]));
  }
  parts.writer.run_batch();
  test::drain(loop.loop(), scope);
  CHECK(parts.catalogue.commits() == 1);
  for (const std::size_t good : {0U, 1U, 4U}) {
    CHECK(outcomes[good]->has_value());
    CHECK(has(parts.catalogue, good));
  }
  for (const std::size_t bad : {2U, 3U}) {
    REQUIRE_FALSE(outcomes[bad]->has_value());
    CHECK(outcomes[bad]->error().code == io::Errc::exists);
    CHECK_FALSE(has(parts.catalogue, bad));
  }
}

TEST_CASE_FIXTURE(Fixture, "a lookup does not wait for a commit, nor see it before it is durable") {
  test::CatalogueFixture parts(options(), loop);
  REQUIRE(loop.run(parts.catalogue.insert(loop.loop(), test::make_link(1))));
  vfs.hold(test::FaultyVfs::sync | test::FaultyVfs::wal_only);
  const Link second = test::make_link(2);
  std::optional<io::Result<>> outcome;
  io::TaskScope scope(loop.loop());
  scope.spawn(test::insert_into(parts.catalogue, loop.loop(), second, outcome));
  vfs.wait_until_held();
  CHECK(has(parts.catalogue, 1));
  CHECK_FALSE(has(parts.catalogue, 2));
  CHECK_FALSE(outcome.has_value());
  vfs.release();
  test::drain(loop.loop(), scope);
  CHECK(outcome->has_value());
  CHECK(has(parts.catalogue, 2));
}

// Looks a link up, as a job of the reader lane.
class Lookup final : public io::Job {
 public:
  Lookup(CatalogueFile& file, uint64_t number) : file_(file), token_(test::make_link(number).token) {}
  void run() noexcept override {
    const auto link = file_.read([&](Tables& tables) { return tables.links.find(token_, test::kNow); });
    found = link.has_value() && link->has_value();
  }
  void complete(int32_t) noexcept override {}

  bool found = false;

 private:
  CatalogueFile& file_;
  std::string token_;
};

// Commits a link, from whatever thread it is run on.
class Insert final : public WriteJob {
 public:
  Insert(CatalogueFile& file, uint64_t number) : WriteJob(file), link_(test::make_link(number)) {}
  void complete(int32_t) noexcept override {}

 private:
  io::Result<> write(Tables& tables) override { return tables.links.insert(link_); }

  Link link_;
};

// Commits a link while the reader lane is at it.
class InsertMeanwhile final : public io::Job {
 public:
  InsertMeanwhile(CatalogueFile& file, uint64_t number) : file_(file), insert_(file, number) {}
  void run() noexcept override {
    io::Job* const jobs[] = {&insert_};
    file_.run_all(jobs);
  }
  void complete(int32_t) noexcept override {}

 private:
  CatalogueFile& file_;
  Insert insert_;
};

TEST_CASE_FIXTURE(Fixture,
                  "reads that wait together see the catalogue in one state, and later ones what came meanwhile") {
  const auto file = test::open_file(options(), loop.log());
  InsertMeanwhile first(*file, 1);
  first.run();
  Lookup known(*file, 1);
  InsertMeanwhile meanwhile(*file, 2);
  Lookup too_young(*file, 2);
  io::Job* const together[] = {&known, &meanwhile, &too_young};
  file->reads().run_all(together);
  CHECK(known.found);
  CHECK_FALSE(too_young.found);

  Lookup later(*file, 2);
  io::Job* const alone[] = {&later};
  file->reads().run_all(alone);
  CHECK(later.found);
}

TEST_CASE_FIXTURE(Fixture, "of many reads that wait together the later ones see what was committed during the first") {
  const auto file = test::open_file(options(), loop.log());
  InsertMeanwhile(*file, 1).run();
  Lookup first(*file, 1);
  InsertMeanwhile meanwhile(*file, 2);
  std::vector<std::unique_ptr<Lookup>> lookups;
  std::vector<io::Job*> jobs = {&first, &meanwhile};
  for (int i = 0; i < 100; ++i) jobs.push_back(lookups.emplace_back(std::make_unique<Lookup>(*file, 2)).get());
  file->reads().run_all(jobs);
  CHECK_FALSE(lookups.front()->found);
  CHECK(lookups.back()->found);
  // As long as it lasts a state is one: none is found and then missed.
  CHECK(std::ranges::is_sorted(lookups, {}, [](const auto& lookup) { return lookup->found; }));
}

TEST_CASE_FIXTURE(Fixture, "of reads that wait together one fails alone, and leaves nothing behind for later ones") {
  {
    const auto file = test::open_file(options(), loop.log());
    for (uint64_t number = 1; number <= 3; ++number) InsertMeanwhile(*file, number).run();
  }
  const auto file = test::open_file(options(), loop.log());
  Lookup first(*file, 1);
  Lookup second(*file, 2);
  Lookup third(*file, 3);
  io::Job* const together[] = {&first, &second, &third};
  vfs.fail(test::FaultyVfs::read | test::FaultyVfs::main_only, 0, EIO);
  file->reads().run_all(together);
  CHECK(vfs.has_failed());
  CHECK_FALSE(first.found);
  CHECK(second.found);
  CHECK(third.found);

  InsertMeanwhile(*file, 4).run();
  Lookup later(*file, 4);
  io::Job* const alone[] = {&later};
  file->reads().run_all(alone);
  CHECK(later.found);
}

TEST_CASE_FIXTURE(Fixture, "a write that finds its lane full is told so and changes nothing") {
  const auto file = test::open_file(options(), loop.log());
  io::WorkerLane writer("writer", 1, 1, file.get());
  io::WorkerLane reader("reader", 1, 1, &file->reads());
  io::WorkerLane checkpointer("checkpointer", 1, 1);
  Catalogue catalogue(*file, writer, reader, checkpointer);
  std::vector<Link> links;
  for (uint64_t i = 0; i < 3; ++i) links.push_back(test::make_link(i));
  std::vector<std::optional<io::Result<>>> outcomes(links.size());
  vfs.hold(test::FaultyVfs::sync | test::FaultyVfs::wal_only);
  io::TaskScope scope(loop.loop());
  scope.spawn(test::insert_into(catalogue, loop.loop(), links[0], outcomes[0]));
  vfs.wait_until_held();  // the first is being written: one may wait, another may not
  scope.spawn(test::insert_into(catalogue, loop.loop(), links[1], outcomes[1]));
  scope.spawn(test::insert_into(catalogue, loop.loop(), links[2], outcomes[2]));
  vfs.release();
  test::drain(loop.loop(), scope);
  CHECK(outcomes[0]->has_value());
  CHECK(outcomes[1]->has_value());
  CHECK(outcomes[2]->error().code == io::Errc::exhausted);
  CHECK_FALSE(has(catalogue, 2));
}

io::Task<> use_catalogue(Catalogue& catalogue, io::EventLoop& loop, uint64_t first) {
  for (uint64_t i = first; i < first + 50; ++i) {
    const Link link = test::make_link(i);
    const io::Result<> inserted = co_await catalogue.insert(loop, link);
    CHECK(inserted.has_value());
    const auto found = co_await catalogue.find(loop, link.token, test::kNow);
    CHECK((found.has_value() && found->has_value()));
    const io::Result<bool> checkpointed = co_await catalogue.checkpoint_if_due(loop);
    CHECK(checkpointed.has_value());
    if (i % 2 == 0) continue;
    const auto removed = co_await test::end_and_remove(catalogue, loop, link.token);
    CHECK((removed.has_value() && *removed));
  }
}

TEST_CASE_FIXTURE(Fixture, "several loops use one catalogue at once, with checkpoints in between") {
  CatalogueOptions how = options();
  how.durability = Durability::process;
  how.checkpoint_bytes = 32 * kKiB;
  std::optional<test::CatalogueFixture> parts(std::in_place, how, loop);
  std::latch served(2);
  std::latch lanes_gone(1);
  const auto serve = [&](uint64_t first) {
    test::LoopFixture own;
    io::TaskScope scope(own.loop());
    for (uint64_t task = 0; task < 4; ++task) {
      scope.spawn(use_catalogue(parts->catalogue, own.loop(), first + task * 50));
    }
    test::drain(own.loop(), scope);
    served.count_down();
    lanes_gone.wait();  // a ring outlives the lanes that report to it
  };
  std::thread one([&] { serve(1000); });
  std::thread two([&] { serve(2000); });
  served.wait();
  const auto files = loop.run(parts->catalogue.files_between(loop.loop(), 0, 10'000));
  CHECK(files->size() == 200);
  CHECK(parts->catalogue.wal_bytes() < 1 * kMiB);
  parts.reset();
  lanes_gone.count_down();
  one.join();
  two.join();
}

}  // namespace
}  // namespace ringdrop::db
