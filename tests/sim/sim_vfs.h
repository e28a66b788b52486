// SQLite on the simulated disk: a VFS (sqlite.org/vfs.html) for one boot of the simulated process, so that the
// catalogue is crashed, torn and recovered together with the blobs.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tests/sim/world.h"

namespace ringdrop::sim {

class SimVfs {
 public:
  // Registers a VFS of its own name. Both outlive it and every connection made through it.
  explicit SimVfs(World& world);
  ~SimVfs();
  SimVfs(const SimVfs&) = delete;
  SimVfs& operator=(const SimVfs&) = delete;

  const std::string& name() const;

  // Asked before every write and sync of a database file; true: it fails with an I/O error.
  std::function<bool()> fault;
  // Its syncs say that they are done and do nothing. For tests of the tests.
  bool skip_syncs = false;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ringdrop::sim
