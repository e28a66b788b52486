// The Ring over io_uring (liburing). Made on the thread that turns it (IORING_SETUP_SINGLE_ISSUER).
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "io/ring.h"
#include "io/socket_calls.h"

namespace ringdrop::io {

class WorkerLane;

// Whether this machine lets us use io_uring as we need it, by trying.
// Fails with one message that names the cause and the cure.
std::expected<void, std::string> probe_io_uring();

class UringRing final : public Ring {
 public:
  // `blocking` runs the calls that the ring has no operation for (ftruncate, fstatfs, getdents); it outlives the ring.
  // `lockable_bytes`: how much memory this ring may register, its part of lockable_bytes() of the process.
  // Precondition: probe_io_uring() succeeded. exhausted, system: the ring could not be made.
  static Result<std::unique_ptr<UringRing>> create(WorkerLane& blocking, uint64_t lockable_bytes);
  ~UringRing() override;

  void submit(Operation& operation) override;
  void cancel(Operation& operation) override;
  void close(int fd) override;
  Wait wait(TimePoint until) override;
  void deliver() override;
  void wake() override;
  void complete_from_thread(Completion& completion, int32_t result) override;
  TimePoint now() override;
  EpochMs epoch_ms() override;
  void give_way() override;
  std::chrono::nanoseconds thread_cpu_time() override;
  void random(MutableBytes out) override;
  Result<int> listen(const Address& address) override { return listen_socket(address); }
  Result<int> make_socket(const Address& address) override { return stream_socket(address); }
  Address local_address(int fd) override { return socket_address(fd); }
  Result<uint64_t> unacknowledged_bytes(int fd) override { return bytes_in_flight(fd); }
  void limit_unsent(int fd) override { limit_unsent_bytes(fd); }
  void cork(int fd, bool on) override { cork_socket(fd, on); }
  std::optional<bool> all_cached(int fd, uint64_t offset, std::size_t bytes) override;
  void* map_pages(int fd, uint64_t offset, std::size_t bytes) override;
  void unmap_pages(void* pages, std::size_t bytes) override;
  bool in_memory(const void* pages, std::size_t offset, std::size_t bytes) override;
  bool reads_at_once(int fd, uint64_t offset) override;
  void set_waits(int fd, bool waits) override { set_socket_waits(fd, waits); }
  Result<SentNow> send_file(int socket, Bytes head, int file, uint64_t offset, std::size_t bytes) override;
  bool register_memory(unsigned slot, MutableBytes memory) override;

 private:
  class State;
  explicit UringRing(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ringdrop::io
