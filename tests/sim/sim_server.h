// One boot of the real Server in the simulated world: loops, lanes, a catalogue on the simulated disk.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "db/catalogue.h"
#include "server/config.h"
#include "server/server.h"
#include "tests/sim/sim_vfs.h"
#include "tests/sim/world.h"

namespace ringdrop::sim {

class SimServer {
 public:
  // `world` outlives it. The configuration's data_dir is "data".
  SimServer(World& world, server::Config config, unsigned loops = 2);
  ~SimServer();

  // To the end of start(): what recovery did. An error of the disk or the catalogue.
  io::Result<server::RecoveryReport> start(std::stop_token stop = {});
  // To the end of stop(), with `grace` for what runs.
  void stop(io::Milliseconds grace = io::Milliseconds(1'000));

  // A loop for clients, which the server does not know.
  io::EventLoop& client_loop() { return client_loop_; }
  const io::Address& address() const { return server_->addresses().front(); }
  server::Server& server() { return *server_; }
  db::Catalogue& catalogue() { return *catalogue_; }
  SimVfs& vfs() { return vfs_; }
  // The catalogue as another program has it, which ends before the server.
  db::Database open_catalogue();
  World& world() { return world_; }
  // Of the catalogue's log, by the world's chance: a life is some hundred actions, and some have several checkpoints.
  uint64_t checkpoint_bytes() const { return checkpoint_bytes_; }

  // What a small test needs: short times, little memory, no floor.
  static server::Config small_config();

 private:
  World& world_;
  server::Config config_;
  const uint64_t checkpoint_bytes_;
  SimVfs vfs_;
  std::vector<io::EventLoop*> loops_;
  io::EventLoop& client_loop_;
  storage::BlobSpace space_;
  std::optional<io::File> lock_;
  std::unique_ptr<db::CatalogueFile> file_;
  std::unique_ptr<db::Catalogue> catalogue_;
  std::unique_ptr<server::Server> server_;
};

}  // namespace ringdrop::sim
