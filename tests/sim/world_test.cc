// The simulated world itself: it behaves as the real ring does, repeats itself, and does what makes it worth having.
#include "tests/sim/world.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <array>
#include <cerrno>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "io/file.h"
#include "io/on_loop.h"
#include "io/wait_list.h"
#include "tests/io/connected_pair.h"
#include "tests/io/sim_under_test.h"

namespace ringdrop::test {
namespace {

using io::Errc;
using io::Result;
using io::Task;

void run_all(std::span<const Behaviour> behaviours) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    for (const Behaviour& behaviour : behaviours) {
      CAPTURE(seed);
      CAPTURE(behaviour.name);
      SimUnderTest sim(seed);
      sim.run(behaviour.run(sim));
      CHECK(sim.loop().timers().size() == 0);
      CHECK(sim.world().open_descriptors() == 0);
    }
  }
}

// Every result of a run in one number (FNV-1a).
class Trace {
 public:
  void add(uint64_t value) { hash_ = (hash_ ^ value) * 0x100000001b3ULL; }
  void add(const Result<std::size_t>& result) {
    add(result ? *result : 1'000'000 + static_cast<uint64_t>(result.error().code));
  }
  uint64_t hash() const { return hash_; }

 private:
  uint64_t hash_ = 0xcbf29ce484222325ULL;
};

Task<> receive_for_trace(SimUnderTest& sim, io::Socket& socket, Trace& trace) {
  std::string into(500, '\0');
  for (;;) {
    const io::TimePoint deadline = sim.loop().now() + std::chrono::microseconds(500);
    const auto got = co_await socket.receive_some(writable(into), deadline, kNoStop);
    trace.add(got);
    trace.add(static_cast<uint64_t>(sim.loop().now().time_since_epoch().count()));
    if (got && *got == 0) co_return;
  }
}

// A little of everything.
Task<> wander(SimUnderTest& sim, Trace& trace) {
  auto pair = std::make_unique<ConnectedPair>(co_await connected_pair(sim));
  io::TaskScope scope(sim.loop());
  scope.spawn(receive_for_trace(sim, pair->server, trace));
  const auto root = co_await io::open_root_directory(sim.loop(), "test");
  REQUIRE(root.has_value());
  std::array<std::byte, 8> random{};
  for (int i = 0; i < 10; ++i) {
    sim.loop().ring().random(random);
    for (const std::byte byte : random) trace.add(static_cast<uint64_t>(byte));
    const std::string text = pattern(100 + 50 * static_cast<std::size_t>(i));
    trace.add(co_await pair->client.send_all(as_bytes(text), Bytes{}, in(sim.loop(), kLong), kNoStop));
  }
  static_cast<void>(co_await pair->client.shutdown_write());
  co_await scope.join();
}

uint64_t hash_of_run(uint64_t seed) {
  SimUnderTest sim(seed);
  Trace trace;
  sim.run(wander(sim, trace));
  trace.add(sim.world().operations());
  return trace.hash();
}

}  // namespace

TEST_CASE("receiving in the simulated world behaves as over io_uring") {
  run_all(receive_behaviours());
}

TEST_CASE("sending in the simulated world behaves as over io_uring") {
  run_all(send_behaviours());
  run_all(send_file_behaviours());
}

TEST_CASE("files in the simulated world behave as over io_uring") {
  run_all(file_behaviours());
}

TEST_CASE("the same seed gives the same run, other seeds give others") {
  std::set<uint64_t> hashes;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const uint64_t hash = hash_of_run(seed);
    CHECK(hash_of_run(seed) == hash);
    hashes.insert(hash);
  }
  CHECK(hashes.size() == 100);
}

TEST_CASE("receives, reads and writes are short now and then") {
  const auto count = [](SimUnderTest& sim, int& receives, int& reads, int& writes) -> Task<> {
    ConnectedPair pair = co_await connected_pair(sim);
    co_await send_text(sim.loop(), pair.client, "0123456789");
    std::string into(10, '\0');
    const auto got = co_await pair.server.receive_some(writable(into), in(sim.loop(), kLong), kNoStop);
    if (got && *got < 10) ++receives;
    auto root = co_await io::open_root_directory(sim.loop(), "test");
    const io::Directory directory(sim.loop(), *std::move(root));
    auto opened = co_await directory.open_file("a", io::OpenMode::create);
    io::File file(sim.loop(), *std::move(opened));
    const auto wrote = co_await file.write_some_at(as_bytes("0123456789"), 0);
    if (wrote && *wrote < 10) ++writes;
    const Result<> whole = co_await file.write_all_at(as_bytes("0123456789"), 0);
    CHECK(whole.has_value());
    const auto read = co_await file.read_some_at(writable(into), 0);
    if (read && *read < 10) ++reads;
  };
  int receives = 0;
  int reads = 0;
  int writes = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimUnderTest sim(seed);
    sim.run(count(sim, receives, reads, writes));
  }
  for (const int shorter : {receives, reads, writes}) {
    CHECK(shorter > 10);
    CHECK(shorter < 195);
  }
}

TEST_CASE("time jumps: an hour's deadline passes as fast as a millisecond's") {
  SimUnderTest sim(1);
  const io::TimePoint before = sim.world().now();
  const io::EpochMs epoch_before = sim.world().epoch_ms();
  sim.run(pause(sim.loop(), std::chrono::hours(1)));
  CHECK(sim.world().now() - before >= std::chrono::hours(1));
  CHECK(sim.world().now() - before < std::chrono::hours(1) + std::chrono::seconds(1));
  CHECK(sim.world().epoch_ms() - epoch_before >= 3'600'000);
}

TEST_CASE("with an even seed time passes within a turn, which then leaves some of many ready ones to the next") {
  constexpr std::size_t kMany = 200;
  const auto count = [](io::EventLoop& loop, std::size_t& counted) -> Task<> {
    co_await loop.next_turn();
    ++counted;
  };
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    SimUnderTest sim(seed);
    const io::TimePoint before = sim.world().now();
    std::size_t counted = 0;
    io::TaskScope scope(sim.loop());
    for (std::size_t i = 0; i < kMany; ++i) scope.spawn(count(sim.loop(), counted));
    REQUIRE(sim.world().step());
    CHECK(counted > 0);
    CHECK((counted < kMany) == (seed % 2 == 0));
    CHECK((sim.world().now() > before) == (seed % 2 == 0));
    CHECK(sim.world().run_until([&] { return scope.size() == 0; }));
    CHECK(counted == kMany);
  }
}

TEST_CASE("a world runs for exactly the time that it is told to, whatever its turns take") {
  const auto chatter = [](io::EventLoop& loop, const bool& end) -> Task<> {
    while (!end) co_await loop.next_turn();
  };
  SimUnderTest sim(2);
  bool end = false;
  io::TaskScope scope(sim.loop());
  for (int i = 0; i < 3; ++i) scope.spawn(chatter(sim.loop(), end));
  const io::TimePoint before = sim.world().now();
  sim.world().run_for(io::Milliseconds(3));
  CHECK(sim.world().now() == before + io::Milliseconds(3));
  end = true;
  CHECK(sim.world().run_until([&] { return scope.size() == 0; }));
}

TEST_CASE("a world in which all wait for ever says so") {
  const auto wait = [](io::WaitList& list) -> Task<> { static_cast<void>(co_await list.wait()); };
  SimUnderTest sim(1);
  io::WaitList list(sim.loop(), "a test");
  io::TaskScope scope(sim.loop());
  scope.spawn(wait(list));
  CHECK_FALSE(sim.world().run_until([&] { return scope.size() == 0; }));
  CHECK_FALSE(sim.world().step());
  list.wake_all();
  sim.loop().ring().wake();
  CHECK(sim.world().run_until([&] { return scope.size() == 0; }));
}

namespace {

// An operation by itself, that counts its completions.
class CountedOperation final : public io::Operation {
 public:
  void complete(int32_t result) noexcept override {
    ++completions;
    last = result;
  }
  int completions = 0;
  int32_t last = 0;
};

}  // namespace

TEST_CASE("a cancelled operation completes exactly once: cancelled, or done after all") {
  std::set<int32_t> results;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    SimUnderTest sim(seed);
    sim::InodePtr inode;
    REQUIRE(sim.disk().open(sim.disk().root(), "test/a", O_CREAT, inode) == 0);
    auto operation = std::make_unique<CountedOperation>();
    operation->request.op = io::Op::make_directory;
    operation->request.fd = AT_FDCWD;
    operation->request.path = "made";
    sim.loop().ring().submit(*operation);
    CHECK(operation->completions == 0);
    for (uint64_t i = 0; i < seed % 5; ++i) sim.world().step();
    const bool in_time = operation->completions == 0;
    if (in_time) sim.loop().ring().cancel(*operation);
    while (sim.world().step()) continue;
    CHECK(operation->completions == 1);
    // What was cancelled did not happen, and what was done is there.
    CHECK(sim.disk().root()->entries.contains("made") == (operation->last == 0));
    if (in_time) results.insert(operation->last);
  }
  CHECK(results == std::set<int32_t>{-ECANCELED, 0});
}

TEST_CASE("several loops of one world run tasks for each other") {
  const auto sum = [](io::EventLoop& loop) -> Task<int> {
    co_await pause(loop, io::Milliseconds(1));
    co_return 5;
  };
  const auto collect = [&](io::EventLoop& home, std::vector<io::EventLoop*> others, int& total) -> Task<> {
    for (io::EventLoop* const other : others) total += co_await io::run_on_loop(home, *other, sum(*other));
  };
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SimUnderTest sim(seed);
    std::vector<io::EventLoop*> others = {&sim.world().add_loop(), &sim.world().add_loop(), &sim.loop()};
    int total = 0;
    sim.run(collect(sim.loop(), others, total));
    CHECK(total == 15);
  }
}

namespace {

class SizesBatch final : public io::Batch {
 public:
  void run_all(std::span<io::Job* const> jobs) noexcept override {
    sizes.insert(jobs.size());
    for (io::Job* const job : jobs) job->run();
  }
  std::set<std::size_t> sizes;
};

}  // namespace

TEST_CASE("a lane with a batch runs one to all of what waits, in order; one without runs jobs by themselves") {
  const auto work = [](io::EventLoop& loop, io::Lane& lane, int who, std::vector<int>& ran) -> Task<> {
    const Result<int> done = co_await io::run_on(loop, lane, [&] {
      ran.push_back(who);
      return 0;
    });
    CHECK(done.has_value());
  };
  SizesBatch batch;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimUnderTest sim(seed);
    sim::SimLane& batched = sim.world().add_lane(&batch);
    sim::SimLane& single = sim.world().add_lane();
    std::vector<int> ran_batched;
    std::vector<int> ran_single;
    io::TaskScope scope(sim.loop());
    for (int i = 0; i < 5; ++i) {
      scope.spawn(work(sim.loop(), batched, i, ran_batched));
      scope.spawn(work(sim.loop(), single, i, ran_single));
    }
    CHECK(sim.world().run_until([&] { return scope.size() == 0; }));
    CHECK(ran_batched == std::vector<int>{0, 1, 2, 3, 4});
    CHECK(ran_single == std::vector<int>{0, 1, 2, 3, 4});
  }
  CHECK(batch.sizes == std::set<std::size_t>{1, 2, 3, 4, 5});
}

TEST_CASE("the Nth operation can be made to fail, for every N until the scenario passes") {
  const auto scenario = [](SimUnderTest& sim, Result<>& end) -> Task<> {
    auto root = co_await io::open_root_directory(sim.loop(), "test");
    if (!root) {
      end = std::unexpected(root.error());
      co_return;
    }
    const io::Directory directory(sim.loop(), *std::move(root));
    auto opened = co_await directory.open_file("a", io::OpenMode::create);
    if (!opened) {
      end = std::unexpected(opened.error());
      co_return;
    }
    io::File file(sim.loop(), *std::move(opened));
    end = co_await file.write_all_at(as_bytes("0123456789"), 0);
    if (end) end = co_await file.sync_data();
    if (end) end = co_await directory.sync();
  };
  uint64_t n = 0;
  for (bool failed = true; failed; ++n) {
    SimUnderTest sim(7);
    failed = false;
    sim.world().fault = [&](const io::Request&) {
      if (sim.world().operations() != n + 1) return 0;
      failed = true;
      return EIO;
    };
    Result<> end;
    sim.run(scenario(sim, end));
    CHECK(end.has_value() == !failed);
    if (!end) CHECK(end.error().sys_errno == EIO);
    CHECK(sim.world().open_descriptors() == 0);
  }
  CHECK(n >= 6);
}

TEST_CASE("a full disk refuses what does not fit, and takes it when there is room again") {
  const auto fill = [](SimUnderTest& sim) -> Task<> {
    auto root = co_await io::open_root_directory(sim.loop(), "test");
    const io::Directory directory(sim.loop(), *std::move(root));
    auto opened = co_await directory.open_file("a", io::OpenMode::create);
    io::File file(sim.loop(), *std::move(opened));
    sim.disk().set_capacity(10'000);
    const Result<> reserved = co_await file.allocate(0, 9'000);
    CHECK(reserved.has_value());
    const Result<> more = co_await file.allocate(0, 11'000);
    REQUIRE_FALSE(more.has_value());
    CHECK(more.error().code == Errc::no_space);
    const auto wrote = co_await file.write_some_at(as_bytes("0123456789"), 9'999);
    if (!wrote) CHECK(wrote.error().code == Errc::no_space);
    io::FileSystemStatus status;
    static_cast<void>(co_await directory.file_system(status));
    CHECK(status.free_bytes <= 1'000);
    static_cast<void>(co_await file.truncate(0));
    const Result<> again = co_await file.write_all_at(as_bytes("0123456789"), 9'000);
    CHECK(again.has_value());
  };
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SimUnderTest sim(seed);
    sim.run(fill(sim));
  }
}

TEST_CASE("connecting to nobody fails") {
  SimUnderTest sim(1);
  CHECK(sim.world().connect(*io::parse_address("127.0.0.1:1")) == -1);
}

}  // namespace ringdrop::test
