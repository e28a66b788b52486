// Requests to cancel that get lost: a receive that waits for all of its bytes (MSG_WAITALL) and is taking some at that
// moment arms its poll again, and the request was for nothing. Stops and deadlines come through all the same.
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "io/task_scope.h"
#include "tests/io/connected_pair.h"
#include "tests/io/random_seed.h"
#include "tests/io/test_loop.h"

namespace ringdrop::test {
namespace {

using io::Errc;
using io::Result;
using io::Task;

// A ring that loses the first requests to cancel an operation.
class LossyRing final : public io::Ring {
 public:
  explicit LossyRing(io::Ring& real) : real_(real) {}

  // The next so many.
  void lose(int cancels) {
    to_lose_ = cancels;
    asked_ = 0;
  }
  int asked() const { return asked_; }

  void submit(io::Operation& operation) override { real_.submit(operation); }
  void cancel(io::Operation& operation) override {
    ++asked_;
    if (to_lose_ > 0) {
      --to_lose_;
    } else {
      real_.cancel(operation);
    }
  }
  void close(int fd) override { real_.close(fd); }
  Wait wait(io::TimePoint until) override { return real_.wait(until); }
  void deliver() override { real_.deliver(); }
  void wake() override { real_.wake(); }
  void complete_from_thread(io::Completion& completion, int32_t result) override {
    real_.complete_from_thread(completion, result);
  }
  io::TimePoint now() override { return real_.now(); }
  io::EpochMs epoch_ms() override { return real_.epoch_ms(); }
  void random(MutableBytes out) override { real_.random(out); }
  Result<int> make_socket(const io::Address& address) override { return real_.make_socket(address); }
  Result<int> listen(const io::Address& address) override { return real_.listen(address); }
  io::Address local_address(int fd) override { return real_.local_address(fd); }
  Result<uint64_t> unacknowledged_bytes(int fd) override { return real_.unacknowledged_bytes(fd); }
  bool register_memory(unsigned slot, MutableBytes memory) override { return real_.register_memory(slot, memory); }

 private:
  io::Ring& real_;
  int to_lose_ = 0;
  int asked_ = 0;
};

class LossyLoop final : public RingUnderTest {
 public:
  io::EventLoop& loop() override { return loop_; }
  LossyRing& ring() { return ring_; }
  void run(Task<> task) override { test::run(loop_, and_wake(std::move(task))); }
  io::OwnedFd connect(const io::Address& address) override {
    client_fd_ = socket(address.generic.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(client_fd_ >= 0);
    REQUIRE(::connect(client_fd_, &address.generic, address.length) == 0);
    const int at_once = 1;
    setsockopt(client_fd_, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    return {ring_, client_fd_};
  }
  const char* directory() override { return "."; }
  std::size_t too_much() override { return 0; }
  // Of the last connect(): for threads that send by themselves.
  int client_fd() const { return client_fd_; }

 private:
  Task<> and_wake(Task<> task) {
    co_await std::move(task);
    ring_.wake();
  }

  io::Log log_{io::Log::Level::off};
  io::WorkerLane blocking_{"blocking", 1, 64};
  std::unique_ptr<io::UringRing> real_ = make_ring_patiently(blocking_);
  LossyRing ring_{*real_};
  io::EventLoop loop_{ring_, log_};
  int client_fd_ = -1;
};

Task<> stop_soon(io::EventLoop& loop, io::Milliseconds duration, std::stop_source& stop) {
  co_await pause(loop, duration);
  stop.request_stop();
}

Task<> deadline_and_stop(LossyLoop& ring, int lost) {
  ConnectedPair pair = co_await connected_pair(ring);
  std::string into(10, '\0');
  ring.ring().lose(lost);
  const auto late = co_await pair.server.receive_all(writable(into), in(ring.loop(), kShort), kNoStop);
  REQUIRE_FALSE(late.has_value());
  CHECK(late.error().code == Errc::timed_out);
  CHECK(ring.ring().asked() > lost);

  co_await send_text(ring.loop(), pair.client, "abc");
  ring.ring().lose(lost);
  std::stop_source stop;
  io::TaskScope scope(ring.loop());
  scope.spawn(stop_soon(ring.loop(), kShort, stop));
  const auto stopped = co_await pair.server.receive_all(writable(into), io::kNever, stop.get_token());
  co_await scope.join();
  REQUIRE(stopped.has_value());
  CHECK(into.substr(0, *stopped) == "abc");
  CHECK(ring.ring().asked() > lost);
}

// Sends so many bytes, one by one, each time it is asked.
class Trickle {
 public:
  explicit Trickle(int fd) : fd_(fd), thread_([this] { work(); }) {}
  ~Trickle() {
    ask(-1);
    thread_.join();
  }
  void ask(int bytes) {
    {
      const std::lock_guard lock(mutex_);
      wanted_ = bytes;
    }
    changed_.notify_one();
  }

 private:
  void work() {
    for (;;) {
      int bytes = 0;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return wanted_ != 0; });
        bytes = std::exchange(wanted_, 0);
      }
      if (bytes < 0) return;
      for (; bytes > 0; --bytes) {
        const char byte = static_cast<char>(sent_++);
        if (::send(fd_, &byte, 1, MSG_NOSIGNAL) != 1) return;
      }
    }
  }

  int fd_;
  unsigned sent_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  int wanted_ = 0;
  std::thread thread_;
};

// Stops a receive of all while the bytes come, again and again: it ends each time although more bytes never come, and
// no byte is lost or doubled.
Task<> stop_in_the_trickle(LossyLoop& ring, std::mt19937_64& chance) {
  constexpr int kRounds = 400;
  constexpr std::size_t kWanted = 8'192;
  ConnectedPair pair = co_await connected_pair(ring);
  Trickle trickle(ring.client_fd());
  std::string into(kWanted, '\0');
  unsigned received = 0;
  for (int round = 0; round < kRounds; ++round) {
    const auto sends = 1 + static_cast<std::size_t>(chance() % 600);
    std::stop_source stop;
    io::TaskScope scope(ring.loop());
    scope.spawn(stop_soon(ring.loop(), io::Milliseconds(chance() % 3), stop));
    trickle.ask(static_cast<int>(sends));
    std::size_t got = 0;
    while (got < sends) {
      const auto some = co_await pair.server.receive_all(writable(into), io::kNever, stop.get_token());
      if (!some) CHECK(some.error().code == Errc::cancelled);
      for (std::size_t i = 0; i < some.value_or(0); ++i) {
        if (static_cast<unsigned char>(into[i]) != static_cast<unsigned char>(received++)) FAIL("a byte is wrong");
      }
      got += some.value_or(0);
      if (got == sends || !stop.stop_requested()) continue;
      const auto more = co_await pair.server.receive_some(writable(into), in(ring.loop(), kLong), kNoStop);
      REQUIRE(more.has_value());
      for (std::size_t i = 0; i < *more; ++i) {
        if (static_cast<unsigned char>(into[i]) != static_cast<unsigned char>(received++)) FAIL("a byte is wrong");
      }
      got += *more;
    }
    co_await scope.join();
    CHECK(got == sends);
  }
}

}  // namespace

TEST_CASE("a deadline and a stop come through however many requests to cancel are lost") {
  for (const int lost : {0, 1, 3, 10}) {
    CAPTURE(lost);
    LossyLoop ring;
    ring.run(deadline_and_stop(ring, lost));
    CHECK(ring.loop().timers().size() == 0);
  }
}

TEST_CASE("a receive of all that is stopped while bytes trickle in ends, and loses none") {
  const uint64_t seed = random_seed();
  CAPTURE(seed);
  std::mt19937_64 chance(seed);
  LossyLoop ring;
  ring.run(stop_in_the_trickle(ring, chance));
}

}  // namespace ringdrop::test
