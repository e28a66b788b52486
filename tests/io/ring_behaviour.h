// What sockets and files do, as coroutines that run over any Ring: the real one (io_tests) and the simulated one
// (sim_world_tests). What is tested above the ring in the simulated world holds outside only as far as these agree.
#pragma once

#include <cstddef>
#include <span>

#include "io/event_loop.h"
#include "io/owned_fd.h"
#include "io/task.h"

namespace ringdrop::test {

class RingUnderTest {
 public:
  virtual ~RingUnderTest() = default;

  virtual io::EventLoop& loop() = 0;
  // Until the task has ended; throws what it throws.
  virtual void run(io::Task<> task) = 0;
  // A client's end of a connection to a listening address.
  virtual io::OwnedFd connect(const io::Address& address) = 0;
  // An empty directory, for open_root_directory().
  virtual const char* directory() = 0;
  // More bytes than fit between two sockets.
  virtual std::size_t too_much() = 0;
};

struct Behaviour {
  const char* name;  // a sentence
  io::Task<> (*run)(RingUnderTest& ring);
};

std::span<const Behaviour> receive_behaviours();
std::span<const Behaviour> send_behaviours();
std::span<const Behaviour> send_file_behaviours();
std::span<const Behaviour> file_behaviours();

// For the real ring: long enough to be sure that what was sent has arrived, short enough for a test.
inline constexpr io::Milliseconds kShort{15};
// A wait that fails the test rather than hang it.
inline constexpr io::Milliseconds kLong{60'000};

// Waits until then.
io::Task<> pause(io::EventLoop& loop, io::Milliseconds duration);

}  // namespace ringdrop::test
