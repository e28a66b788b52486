// A deterministic world for everything above io::Ring: any number of rings and loops, worker lanes, one disk, one
// network, one clock and one source of chance, advanced in one thread by step(). The same seed gives the same run.
//
// What is random: which loop, lane or completion is next; how long an operation takes; how many bytes a receive, a
// send, a read or a write moves; whether a cancelled operation had already happened. With an even seed the steps of a
// loop's turn take time too, so that it may have too little for all that is ready; with an odd one they take none.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "io/event_loop.h"
#include "io/log.h"
#include "io/operation.h"
#include "io/worker.h"
#include "tests/sim/random.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_ring.h"
#include "tests/sim/sim_socket.h"

namespace ringdrop::sim {

// A lane whose jobs run inside World::step().
class SimLane final : public io::Lane {
 public:
  explicit SimLane(io::Batch* batch = nullptr) : batch_(batch) {}
  bool enqueue(io::Job& job, io::Ring& ring) override;

 private:
  friend class World;
  struct Queued {
    io::Job* job;
    io::Ring* ring;
  };
  void run_some(Random& chance);

  io::Batch* batch_;
  std::deque<Queued> queue_;
};

// The wall clock at the beginning of the first life.
inline constexpr io::EpochMs kFirstBootMs = 1'800'000'000'000;

// What a fault of the disk can hit: for "the Nth operation fails".
bool touches_disk(io::Op op);

class World {
 public:
  // The disk outlives the world: a crash is disk.crash() and a new world over it, while the old one, with all
  // coroutines and objects of the dead process, is never stepped or destroyed again.
  // `boot_ms`: the wall clock at its beginning.
  World(uint64_t seed, SimDisk& disk, io::EpochMs boot_ms = kFirstBootMs);
  ~World();

  // A ring and its loop; they live as long as the world.
  io::EventLoop& add_loop();
  SimLane& add_lane(io::Batch* batch = nullptr);

  // One event: a loop's turn, a lane's batch, a completion. With nothing to do the clock jumps to the next deadline;
  // false when there is none: all wait for something that will not come.
  bool step();
  // Steps until `done` says so; false after `most` steps or when the world stands still.
  bool run_until(const std::function<bool()>& done, uint64_t most = 2'000'000);

  // Steps for so long on the world's clock, which then shows exactly that.
  void run_for(io::Milliseconds time);

  // A connection to a listening address from outside: `loop` gets the client's descriptor. -1: nobody listens.
  int connect(const io::Address& address);

  // Asked of every operation as it is carried out: an errno > 0 makes it fail with that.
  std::function<int(const io::Request&)> fault;
  // Asked of every operation as it begins: how much longer it takes than by chance.
  std::function<io::Milliseconds(const io::Request&)> delay;
  // Asked of every sync: true: it says that it is done and does nothing. For tests of the tests.
  std::function<bool(const InodePtr&)> skip_sync;
  // Operations carried out so far: for "the Nth operation fails".
  uint64_t operations() const { return operations_; }

  SimDisk& disk() { return disk_; }
  Random& chance() { return chance_; }
  io::TimePoint now() const { return now_; }
  io::EpochMs epoch_ms() const;
  std::size_t open_descriptors() const { return descriptors_.size(); }
  io::Log& log() { return log_; }

 private:
  friend class SimRing;
  struct File {
    InodePtr inode;
    bool direct = false;
    bool holds_lock = false;
  };
  using Descriptor = std::variant<File, std::shared_ptr<SimSocket>, std::shared_ptr<SimListener>>;
  struct InFlight {
    SimRing* ring;
    io::Operation* operation;
    io::TimePoint due;
    std::size_t moved = 0;  // bytes of a receive or send so far
    bool cancelled = false;
  };
  struct LoopParts {
    explicit LoopParts(World& world) : ring(world), loop(ring, world.log_) {}
    SimRing ring;
    io::EventLoop loop;
  };

  void submit(SimRing& ring, io::Operation& operation);
  void cancel(io::Operation& operation);
  void close(int fd);
  io::Result<int> listen(const io::Address& address);
  io::Address local_address(int fd);
  io::Result<uint64_t> unacknowledged_bytes(int fd);
  void cork(int fd, bool on);
  void set_waits(int fd, bool waits);
  io::Result<io::SentNow> send_file(int socket, Bytes head, int file, uint64_t offset, std::size_t bytes);

  // The clock as a loop reads it.
  io::TimePoint now_in_turn();
  // Whether the operation can make progress, and the progress: a result when it is done.
  bool can_progress(const InFlight& item);
  std::optional<int32_t> progress(InFlight& item);
  int32_t carry_out(const io::Request& request);
  int32_t carry_out_file(const io::Request& request, File& file);
  std::optional<int32_t> progress_receive(InFlight& item, SimSocket& socket);
  std::optional<int32_t> progress_send(InFlight& item, SimSocket& socket);
  std::optional<int32_t> progress_accept(const InFlight& item, SimListener& listener);
  int add_descriptor(Descriptor descriptor);
  template <class T>
  T* find(int fd);
  SimSocket* socket_of(int fd);
  bool loop_is_due(const LoopParts& parts) const;
  bool advance_clock(io::TimePoint limit);
  bool step_before(io::TimePoint limit);

  static constexpr io::TimePoint kBootTime{std::chrono::hours(1)};

  Random chance_;
  Random pace_;  // of the turns: of its own, so that without it the rest is the same
  const bool turns_take_time_;
  io::TimePoint turn_limit_{};  // how far the clock may go within the turn that is being taken, if one is
  SimDisk& disk_;
  io::Log log_{io::Log::Level::off};
  io::EpochMs boot_ms_;
  io::TimePoint now_{kBootTime};
  uint64_t operations_ = 0;
  int next_fd_ = 3;
  uint16_t next_port_ = 20'000;
  std::map<int, Descriptor> descriptors_;
  std::vector<InFlight> in_flight_;
  std::vector<std::unique_ptr<LoopParts>> loops_;
  std::vector<std::unique_ptr<SimLane>> lanes_;
};

}  // namespace ringdrop::sim
