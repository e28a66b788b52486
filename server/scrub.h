// `ringdrop scrub`: re-reads what links are made of and compares it with what was stored: XXH3-128 of each 64 MiB, and
// the link's own SHA-256 or SHA-512 when it has one. Beside a server or without one; changes nothing.
#pragma once

#include <cstdint>
#include <string>

namespace ringdrop::server {

struct ScrubOptions {
  std::string data_dir;
  uint64_t bytes_per_second = 0;  // 0: as fast as it goes
  int64_t from_link = 0;          // goes on with the link of this number
};

// The exit code: 0 all is as it was stored, 1 something is not, kExitInterrupted, kExitConfig.
int run_scrub(const ScrubOptions& options);

}  // namespace ringdrop::server
