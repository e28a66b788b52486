#include "io/worker.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <latch>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "io/socket.h"
#include "tests/io/test_loop.h"

namespace ringdrop::test {
namespace {

using io::Result;
using io::Task;

Task<> note(io::EventLoop& loop, io::Lane& lane, int who, std::vector<int>& ran, std::vector<int>& ended) {
  const Result<int> result = co_await io::run_on(loop, lane, [&] {
    ran.push_back(who);  // the lane's one thread alone touches it
    return who;
  });
  ended.push_back(result ? *result : -1);
}

// Holds a lane's thread until it is opened.
Task<> hold(io::EventLoop& loop, io::Lane& lane, std::latch& entered, std::latch& open) {
  static_cast<void>(co_await io::run_on(loop, lane, [&] {
    entered.count_down();
    open.wait();
    return 0;
  }));
}

Task<> meet(io::EventLoop& loop, io::Lane& lane, std::latch& all, int& met) {
  const Result<int> result = co_await io::run_on(loop, lane, [&] {
    all.arrive_and_wait();
    return 1;
  });
  if (result) met += *result;
}

class CountingBatch final : public io::Batch {
 public:
  void run_all(std::span<io::Job* const> jobs) noexcept override {
    sizes.push_back(jobs.size());
    for (io::Job* const job : jobs) job->run();
  }
  std::vector<std::size_t> sizes;
};

// A job that outlives its lane, for what happens when a lane goes.
class CountingJob final : public io::Job {
 public:
  explicit CountingJob(std::atomic<int>& ran, int& completed) : ran_(ran), completed_(completed) {}
  void run() noexcept override { ++ran_; }
  void complete(int32_t) noexcept override { ++completed_; }

 private:
  std::atomic<int>& ran_;
  int& completed_;
};

// Something of one byte that the kernel has done as soon as it has seen it.
Task<> send_after(io::EventLoop& loop, io::Lane& lane, io::Socket& socket, int& sent) {
  const Result<int> result = co_await io::run_on(loop, lane, [] { return 0; });
  const std::stop_token no_stop;
  if (!result) co_return;
  const std::string_view byte = "x";
  if (co_await socket.send_all(as_bytes(byte), Bytes{}, loop.now() + std::chrono::seconds(60), no_stop)) ++sent;
}

}  // namespace

TEST_CASE("a lane of one thread runs its jobs in order, off the loop's thread, and the callers go on at home") {
  TestLoop fixture;
  io::WorkerLane lane("test", 1, 200);
  std::vector<int> ran;
  std::vector<int> ended;
  io::TaskScope scope(fixture.loop());
  for (int i = 0; i < 100; ++i) scope.spawn(note(fixture.loop(), lane, i, ran, ended));
  fixture.drain(scope);
  std::vector<int> expected(100);
  std::iota(expected.begin(), expected.end(), 0);
  CHECK(ran == expected);
  CHECK(ended == expected);

  const auto threads = [](io::EventLoop& loop, io::Lane& on) -> Task<bool> {
    const auto there = co_await io::run_on(loop, on, [] { return std::this_thread::get_id(); });
    co_return there && *there != std::this_thread::get_id();
  };
  CHECK(fixture.run(threads(fixture.loop(), lane)));
}

TEST_CASE("a value of any movable type comes back") {
  const auto use = [](io::EventLoop& loop, io::Lane& lane) -> Task<std::string> {
    auto owned = co_await io::run_on(loop, lane, [] { return std::make_unique<std::string>("owned"); });
    if (!owned) co_return "";
    co_return **owned;
  };
  TestLoop fixture;
  io::WorkerLane lane("a name of more than fifteen characters", 1, 4);
  CHECK(fixture.run(use(fixture.loop(), lane)) == "owned");
}

TEST_CASE("a full lane declines: the caller gets exhausted at once and its work never runs") {
  TestLoop fixture;
  io::WorkerLane lane("test", 1, 3);
  std::latch entered(1);
  std::latch open(1);
  std::vector<int> ran;
  std::vector<int> ended;
  io::TaskScope scope(fixture.loop());
  scope.spawn(hold(fixture.loop(), lane, entered, open));
  entered.wait();
  for (int i = 0; i < 5; ++i) scope.spawn(note(fixture.loop(), lane, i, ran, ended));
  CHECK(ended == std::vector<int>{-1, -1});
  open.count_down();
  fixture.drain(scope);
  CHECK(ran == std::vector<int>{0, 1, 2});
  CHECK(ended == std::vector<int>{-1, -1, 0, 1, 2});
}

TEST_CASE("exhausted is the error of a full lane") {
  const auto try_it = [](io::EventLoop& loop, io::Lane& lane) -> Task<Result<int>> {
    co_return co_await io::run_on(loop, lane, [] { return 1; });
  };
  TestLoop fixture;
  io::WorkerLane lane("test", 1, 0);
  const Result<int> result = fixture.run(try_it(fixture.loop(), lane));
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == io::Errc::exhausted);
}

TEST_CASE("a batch gets all jobs that wait, at most 256 at once, in order") {
  TestLoop fixture;
  CountingBatch batch;
  std::vector<int> ran;
  std::vector<int> ended;
  {
    io::WorkerLane lane("test", 1, 1'000, &batch);
    std::latch entered(1);
    std::latch open(1);
    io::TaskScope scope(fixture.loop());
    scope.spawn(hold(fixture.loop(), lane, entered, open));
    entered.wait();
    for (int i = 0; i < 300; ++i) scope.spawn(note(fixture.loop(), lane, i, ran, ended));
    open.count_down();
    fixture.drain(scope);
  }
  CHECK(batch.sizes == std::vector<std::size_t>{1, 256, 44});
  CHECK(std::ranges::is_sorted(ran));
  CHECK(ended.size() == 300);
}

TEST_CASE("a lane of several threads runs jobs side by side") {
  TestLoop fixture;
  io::WorkerLane lane("test", 3, 10);
  std::latch all(3);  // three that wait for each other end only when each has a thread
  int met = 0;
  io::TaskScope scope(fixture.loop());
  for (int i = 0; i < 3; ++i) scope.spawn(meet(fixture.loop(), lane, all, met));
  fixture.drain(scope);
  CHECK(met == 3);
}

TEST_CASE("a lane that goes runs what is queued first, and the ring reports it") {
  TestLoop fixture;
  std::atomic<int> ran{0};
  int completed = 0;
  std::vector<std::unique_ptr<CountingJob>> jobs;
  for (int i = 0; i < 50; ++i) jobs.push_back(std::make_unique<CountingJob>(ran, completed));
  {
    io::WorkerLane lane("test", 2, 100);
    for (const auto& job : jobs) REQUIRE(lane.enqueue(*job, fixture.ring()));
  }
  CHECK(ran == 50);
  CHECK(completed == 0);  // on the loop's thread, so not before a turn
  fixture.turn_at_once();
  CHECK(completed == 50);
}

TEST_CASE("what follows many jobs at once may be more than the ring's queue holds") {
  constexpr int kJobs = 3'000;
  constexpr int kSockets = 30;  // a buffer takes some hundred messages
  TestLoop fixture;
  std::vector<io::Socket> sockets;
  std::vector<io::OwnedFd> peers;
  for (int i = 0; i < kSockets; ++i) {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    sockets.emplace_back(fixture.loop(), io::OwnedFd(fixture.ring(), ends[0]));
    peers.emplace_back(fixture.ring(), ends[1]);
  }
  int sent = 0;
  io::TaskScope scope(fixture.loop());
  {
    io::WorkerLane lane("test", 1, kJobs);
    for (std::size_t i = 0; i < kJobs; ++i) {
      scope.spawn(send_after(fixture.loop(), lane, sockets[i % kSockets], sent));
    }
  }  // all have run, and none is reported yet
  fixture.drain(scope);
  CHECK(sent == kJobs);
}

TEST_CASE("several loops may use one lane, and each gets its own completions") {
  io::WorkerLane lane("test", 2, 1'000);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      const auto many = [](io::EventLoop& loop, io::Lane& on, std::atomic<int>& misplaced) -> Task<> {
        const std::thread::id home = std::this_thread::get_id();
        for (int i = 0; i < 200; ++i) {
          const Result<int> result = co_await io::run_on(loop, on, [i] { return i; });
          if (!result || *result != i || std::this_thread::get_id() != home) ++misplaced;
        }
      };
      TestLoop fixture;
      fixture.run(many(fixture.loop(), lane, wrong));
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

}  // namespace ringdrop::test
