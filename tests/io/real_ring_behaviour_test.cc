// The shared behaviours over io_uring, real sockets and a real file system.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include "tests/io/ring_behaviour.h"
#include "tests/io/temporary_directory.h"
#include "tests/io/test_loop.h"

namespace ringdrop::test {
namespace {

class RealRing final : public RingUnderTest {
 public:
  io::EventLoop& loop() override { return fixture_.loop(); }
  void run(io::Task<> task) override { fixture_.run(std::move(task)); }
  io::OwnedFd connect(const io::Address& address) override {
    const int fd = socket(address.generic.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    REQUIRE(::connect(fd, &address.generic, address.length) == 0);
    return {fixture_.ring(), fd};
  }
  const char* directory() override { return directory_.path().c_str(); }
  // The kernel lets buffers grow to tcp_wmem[2] and tcp_rmem[2]: 4 and 6 MiB unless somebody tuned them.
  std::size_t too_much() override { return 24 * kMiB; }

 private:
  TemporaryDirectory directory_;
  TestLoop fixture_;
};

void run_all(std::span<const Behaviour> behaviours) {
  for (const Behaviour& behaviour : behaviours) {
    CAPTURE(behaviour.name);
    RealRing ring;
    ring.run(behaviour.run(ring));
    CHECK(ring.loop().timers().size() == 0);
  }
}

}  // namespace

TEST_CASE("receiving over io_uring behaves as described") {
  run_all(receive_behaviours());
}

TEST_CASE("sending over io_uring behaves as described") {
  run_all(send_behaviours());
  run_all(send_file_behaviours());
}

TEST_CASE("files over io_uring behave as described") {
  run_all(file_behaviours());
}

}  // namespace ringdrop::test
