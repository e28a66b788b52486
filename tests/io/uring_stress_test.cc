// Thousands of operations over real connections, each cut by a random deadline or stop: every await comes back once, no
// byte is lost or invented, nothing stays open.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "io/wait_list.h"
#include "tests/io/blocking_client.h"
#include "tests/io/connected_pair.h"
#include "tests/io/open_descriptors.h"
#include "tests/io/random_seed.h"
#include "tests/io/test_loop.h"

namespace ringdrop::test {
namespace {

using io::Errc;
using io::Result;
using io::Task;

constexpr int kConnections = 40;
constexpr std::size_t kBytesEach = 60'000;

struct Counts {
  uint64_t begun = 0;
  uint64_t ended = 0;
  uint64_t done = 0;
  uint64_t timed_out = 0;
  uint64_t cancelled = 0;
  uint64_t unexpected = 0;
};

class Stress {
 public:
  Stress(TestLoop& fixture, uint64_t seed) : loop_(fixture.loop()), random_(seed), scope_(fixture.loop()) {}

  Task<> run(io::Listener& listener) {
    for (int i = 0; i < kConnections; ++i) {
      const io::Address address = listener.address();
      const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      REQUIRE(connect(client, &address.generic, address.length) == 0);
      io::Address peer;
      Result<io::OwnedFd> server = co_await listener.accept(peer, in(loop_, kLong), kNoStop);
      REQUIRE(server.has_value());
      io::Socket first(loop_, io::OwnedFd(loop_.ring(), client));
      io::Socket second(loop_, *std::move(server));
      pairs_.push_back(std::make_unique<ConnectedPair>(std::move(first), std::move(second)));
      ConnectedPair& pair = *pairs_.back();
      scope_.spawn(send(pair.client));
      scope_.spawn(receive(pair.server));
    }
    scope_.spawn(trouble());
    co_await scope_.join();
    pairs_.clear();
  }

  const Counts& counts() const { return counts_; }
  int whole() const { return whole_; }

 private:
  io::TimePoint soon() {
    return random_() % 5 == 0 ? io::kNever : loop_.now() + std::chrono::microseconds(random_() % 400);
  }
  // A token of the stop source of these moments, which trouble() will use up.
  std::stop_token token() { return random_() % 2 == 0 ? stop_.get_token() : std::stop_token(); }

  template <class T>
  void note(const Result<T>& result) {
    ++counts_.ended;
    if (result) {
      ++counts_.done;
    } else if (result.error().code == Errc::timed_out) {
      ++counts_.timed_out;
    } else if (result.error().code == Errc::cancelled) {
      ++counts_.cancelled;
    } else {
      ++counts_.unexpected;
    }
  }

  Task<> send(io::Socket& socket) {
    std::size_t at = 0;
    while (at < kBytesEach) {
      const Bytes rest = as_bytes(text_).subspan(at);
      const Bytes first = rest.first(std::min<std::size_t>(rest.size(), random_() % 3'000));
      const Bytes second = rest.subspan(first.size()).first(std::min(rest.size() - first.size(), first.size() / 2));
      const std::stop_token stop = token();
      ++counts_.begun;
      const auto sent = co_await socket.send_all(first, second, soon(), stop);
      note(sent);
      if (sent) at += *sent;
      if (random_() % 4 == 0) co_await pause(loop_, io::Milliseconds(1));
    }
    static_cast<void>(co_await socket.shutdown_write());
  }

  Task<> receive(io::Socket& socket) {
    std::string all;
    std::string some(5'000, '\0');
    for (;;) {
      const MutableBytes into = writable(some).first(1 + random_() % some.size());
      const bool everything = random_() % 2 == 0;
      const io::TimePoint deadline = soon();
      const std::stop_token stop = token();
      if (random_() % 3 == 0) {
        ++counts_.begun;
        const Result<> readable = co_await socket.wait_readable(deadline, stop);
        note(readable);
        continue;
      }
      ++counts_.begun;
      Result<std::size_t> got = 0;
      if (everything) {
        got = co_await socket.receive_all(into, deadline, stop);
      } else {
        got = co_await socket.receive_some(into, deadline, stop);
      }
      note(got);
      if (got) all.append(some, 0, *got);
      if (got && *got == 0) break;
    }
    if (all == text_) ++whole_;
  }

  // Requests a stop of all that have a token, again and again, each time with a new source for what comes.
  Task<> trouble() {
    io::WaitList nobody(loop_, "a pause");
    while (scope_.size() > 1) {  // until only this one is left
      static_cast<void>(co_await nobody.wait(loop_.now() + std::chrono::microseconds(100), kNoStop));
      std::stop_source old = std::exchange(stop_, std::stop_source());
      old.request_stop();
    }
  }

  io::EventLoop& loop_;
  std::mt19937_64 random_;
  std::string text_ = pattern(kBytesEach);
  std::stop_source stop_;
  Counts counts_;
  int whole_ = 0;
  std::vector<std::unique_ptr<ConnectedPair>> pairs_;
  io::TaskScope scope_;
};

}  // namespace

TEST_CASE("thousands of operations with random deadlines and stops end once each, and every byte arrives once") {
  RANDOM_TEST(seed);
  TestLoop fixture;
  fixture.turn_at_once();
  const std::size_t descriptors = open_descriptors();
  {
    Result<io::Listener> listener = io::listen(fixture.loop(), *io::parse_address("127.0.0.1:0"));
    REQUIRE(listener.has_value());
    Stress stress(fixture, seed);
    fixture.run(stress.run(*listener));
    const Counts& counts = stress.counts();
    CHECK(stress.whole() == kConnections);
    CHECK(counts.begun == counts.ended);
    CHECK(counts.unexpected == 0);
    CHECK(counts.begun > 2'000);
    CHECK(counts.done > 0);
    CHECK(counts.timed_out > 0);
    CHECK(counts.cancelled > 0);
    CHECK(fixture.loop().timers().size() == 0);
  }
  // Closing is not awaited: the kernel does it soon.
  const io::TimePoint patience = in(fixture.loop(), kLong);
  while (open_descriptors() != descriptors && fixture.loop().now() < patience) {
    fixture.run(pause(fixture.loop(), io::Milliseconds(1)));
  }
  CHECK(open_descriptors() == descriptors);
}

TEST_CASE("more operations at once than the submission queue has entries all end") {
  const auto wait = [](io::EventLoop& loop, io::WaitList& gate, io::Socket& socket, std::stop_token stop,
                       int& ended) -> Task<> {
    static_cast<void>(co_await gate.wait());
    const Result<> readable = co_await socket.wait_readable(in(loop, kLong), stop);
    if (!readable) ++ended;
  };
  TestLoop fixture;
  Result<io::Listener> listener = io::listen(fixture.loop(), *io::parse_address("127.0.0.1:0"));
  REQUIRE(listener.has_value());
  const BlockingClient client(listener->address());
  const auto accept = [](io::EventLoop& loop, io::Listener& on) -> Task<io::OwnedFd> {
    io::Address peer;
    auto fd = co_await on.accept(peer, in(loop, kLong), kNoStop);
    co_return *std::move(fd);
  };
  io::Socket socket(fixture.loop(), fixture.run(accept(fixture.loop(), *listener)));
  io::WaitList gate(fixture.loop(), "a test");
  io::TaskScope scope(fixture.loop());
  int ended = 0;
  for (int i = 0; i < 5'000; ++i) scope.spawn(wait(fixture.loop(), gate, socket, scope.stop_token(), ended));
  gate.wake_all();  // all submit in one turn
  fixture.turn_at_once();
  scope.request_stop();
  fixture.drain(scope);
  CHECK(ended == 5'000);
}

}  // namespace ringdrop::test
