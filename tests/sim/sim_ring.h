// The Ring of the simulated world. It knows nothing itself: the World decides when an operation is done and with what.
#pragma once

#include <cstdint>
#include <vector>

#include "io/ring.h"

namespace ringdrop::sim {

class World;

class SimRing final : public io::Ring {
 public:
  explicit SimRing(World& world) : world_(world) {}

  void submit(io::Operation& operation) override;
  void cancel(io::Operation& operation) override;
  void close(int fd) override;
  Wait wait(io::TimePoint until) override;
  void deliver() override;
  void wake() override { woken_ = true; }
  void complete_from_thread(io::Completion& completion, int32_t result) override;
  io::TimePoint now() override;
  io::EpochMs epoch_ms() override;
  void random(MutableBytes out) override;
  io::Result<int> listen(const io::Address& address) override;
  io::Result<int> make_socket(const io::Address& address) override;
  io::Address local_address(int fd) override;
  io::Result<uint64_t> unacknowledged_bytes(int fd) override;
  // Now and then, in whatever way the page cache is filled.
  std::optional<bool> all_cached(int, uint64_t, std::size_t) override;
  void* map_pages(int, uint64_t, std::size_t) override { return this; }
  bool in_memory(const void*, std::size_t, std::size_t) override;
  bool reads_at_once(int, uint64_t) override { return true; }
  void cork(int fd, bool on) override;
  void set_waits(int fd, bool waits) override;
  io::Result<io::SentNow> send_file(int socket, Bytes head, int file, uint64_t offset, std::size_t bytes) override;
  // Every other slab, so that both paths are walked.
  bool register_memory(unsigned slot, MutableBytes) override { return slot % 2 == 0; }

 private:
  friend class World;
  struct Done {
    io::Completion* completion;
    int32_t result;
  };

  World& world_;
  std::vector<Done> done_;  // not delivered yet
  bool woken_ = true;       // the first turn is always due
  io::TimePoint until_ = io::kNever;
};

}  // namespace ringdrop::sim
