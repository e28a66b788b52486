#include "tests/sim/sim_ring.h"

#include <cerrno>
#include <utility>

#include "tests/sim/world.h"

namespace ringdrop::sim {

void SimRing::submit(io::Operation& operation) {
  world_.submit(*this, operation);
}

void SimRing::cancel(io::Operation& operation) {
  world_.cancel(operation);
}

void SimRing::close(int fd) {
  world_.close(fd);
}

io::Ring::Wait SimRing::wait(io::TimePoint until) {
  // A wake-up that came during this turn's own work, and what completions make ready, are the next turn's.
  const bool again = woken_ || !done_.empty();
  woken_ = false;
  until_ = again ? now() : until;
  return {now(), now()};
}

void SimRing::deliver() {
  for (const Done& done : std::exchange(done_, {})) done.completion->complete(done.result);
}

void SimRing::complete_from_thread(io::Completion& completion, int32_t result) {
  done_.push_back({&completion, result});
}

io::TimePoint SimRing::now() {
  return world_.now_in_turn();
}

io::EpochMs SimRing::epoch_ms() {
  return world_.epoch_ms();
}

void SimRing::random(MutableBytes out) {
  for (std::byte& b : out) b = static_cast<std::byte>(world_.chance().below(256));
}

// Whoever connects in this world is no part of the program: see World::connect.
io::Result<int> SimRing::make_socket(const io::Address&) {
  return io::fail(io::Errc::system, "socket", EAFNOSUPPORT);
}

io::Result<int> SimRing::listen(const io::Address& address) {
  return world_.listen(address);
}

io::Result<uint64_t> SimRing::unacknowledged_bytes(int fd) {
  return world_.unacknowledged_bytes(fd);
}

std::optional<bool> SimRing::all_cached(int, uint64_t, std::size_t) {
  if (world_.chance().one_in(16)) return std::nullopt;
  return world_.chance().one_in(2);
}

bool SimRing::in_memory(const void*, std::size_t, std::size_t) {
  return world_.chance().one_in(2);
}

void SimRing::cork(int fd, bool on) {
  world_.cork(fd, on);
}

void SimRing::set_waits(int fd, bool waits) {
  world_.set_waits(fd, waits);
}

io::Result<io::SentNow> SimRing::send_file(int socket, Bytes head, int file, uint64_t offset, std::size_t bytes) {
  return world_.send_file(socket, head, file, offset, bytes);
}

io::Address SimRing::local_address(int fd) {
  return world_.local_address(fd);
}

}  // namespace ringdrop::sim
