// `ringdrop fsck`: compares what the catalogue names with what is on disk. Reads names and sizes, not bytes (that is
// scrub). Beside a server it tells what is under way from what is wrong; only without one it repairs.
#pragma once

#include <string>

namespace ringdrop::server {

struct FsckOptions {
  std::string data_dir;
  bool repair = false;       // removes files that nobody has
  bool drop_broken = false;  // with repair: ends links and uploads whose file is gone or torn
};

// The exit code: 0 nothing was found, 1 something was (repaired or not), kExitConfig it could not be looked at.
int run_fsck(const FsckOptions& options);

}  // namespace ringdrop::server
