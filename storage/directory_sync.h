// Group commit of a directory's entries: all that ask while a sync runs share the next one.
#pragma once

#include <cstdint>
#include <optional>

#include "io/event_loop.h"
#include "io/file.h"
#include "io/task.h"
#include "io/wait_list.h"

namespace ringdrop::storage {

class DirectorySync {
 public:
  // Both outlive it.
  DirectorySync(io::EventLoop& loop, const io::Directory& directory)
      : directory_(directory), done_(loop, "what has waited for the sync of a directory") {}

  // Returns when every entry that was made before the call is on the device. A failure is final and everybody's: after
  // a failed fsync nobody can know what the device has.
  io::Task<io::Result<>> sync();

 private:
  const io::Directory& directory_;
  io::WaitList done_;
  bool running_ = false;
  uint64_t asked_ = 0;   // calls so far
  uint64_t synced_ = 0;  // calls whose entries are durable
  std::optional<io::Error> failure_;
};

}  // namespace ringdrop::storage
