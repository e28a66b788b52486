// The simulated ring as a RingUnderTest: a world with one loop and a disk, from one seed.
#pragma once

#include <doctest/doctest.h>

#include <exception>
#include <optional>
#include <utility>
#include <variant>

#include "io/task_scope.h"
#include "tests/io/ring_behaviour.h"
#include "tests/sim/world.h"
#include "tests/support/loop_fixture.h"

namespace ringdrop::test {

class SimUnderTest final : public RingUnderTest {
 public:
  explicit SimUnderTest(uint64_t seed) : disk_(64 * kMiB), world_(seed, disk_), loop_(world_.add_loop()) {
    REQUIRE(disk_.make_directory(disk_.root(), "test") == 0);
  }

  io::EventLoop& loop() override { return loop_; }
  void run(io::Task<> task) override {
    std::optional<std::monostate> value;
    std::exception_ptr exception;
    io::TaskScope scope(loop_);
    scope.spawn(detail::keep(std::move(task), value, exception));
    const bool ended = world_.run_until([&] { return scope.size() == 0; }, 50'000'000);
    if (!ended) std::terminate();  // coroutines are still in flight: there is no way on
    if (exception) std::rethrow_exception(exception);
  }
  io::OwnedFd connect(const io::Address& address) override {
    const int fd = world_.connect(address);
    REQUIRE(fd >= 0);
    return {loop_.ring(), fd};
  }
  const char* directory() override { return "test"; }
  std::size_t too_much() override { return 512 * kKiB; }

  sim::World& world() { return world_; }
  sim::SimDisk& disk() { return disk_; }

 private:
  sim::SimDisk disk_;
  sim::World world_;
  io::EventLoop& loop_;
};

}  // namespace ringdrop::test
