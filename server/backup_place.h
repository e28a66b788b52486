// Where a backup is made: DIR.partial, whose file "incomplete-backup" is locked meanwhile, until all in it is durable
// and it becomes DIR. What a run that broke off has left there is known by that file, and the next run clears it away.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "io/error.h"
#include "io/interruption.h"
#include "io/local_files.h"

namespace ringdrop::server {

class BackupPlace {
 public:
  // `target`: missing or an empty directory, no mount point. `data_elsewhere`: it must not be on the file system of
  // this. Says on stderr what is wrong. The code to exit with when there is none: kExitConfig, kExitInterrupted.
  static std::optional<BackupPlace> take(const std::string& target, const io::LocalDirectory* data_elsewhere,
                                         io::Interruption& interruption, int& exit_code);

  const std::string& target() const { return target_; }
  const std::string& partial() const { return partial_; }
  // DIR.partial, empty but for the lock.
  const io::LocalDirectory& root() const { return root_; }

  // All is there and durable: it becomes DIR, for which the sync of sync_name() is still to come.
  io::Result<> become_target();
  io::Result<> sync_name() const;

 private:
  BackupPlace(std::string target, std::string partial, io::LocalDirectory root, io::LocalFd lock)
      : target_(std::move(target)), partial_(std::move(partial)), root_(std::move(root)), lock_(std::move(lock)) {}

  std::string target_;
  std::string partial_;
  io::LocalDirectory root_;
  io::LocalFd lock_;
};

}  // namespace ringdrop::server
