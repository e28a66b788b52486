#include "storage/directory_sync.h"

namespace ringdrop::storage {

io::Task<io::Result<>> DirectorySync::sync() {
  const uint64_t mine = ++asked_;
  while (!failure_ && synced_ < mine) {
    if (running_) {
      static_cast<void>(co_await done_.wait());
      continue;
    }
    running_ = true;
    const uint64_t covered = asked_;
    const io::Result<> result = co_await directory_.sync();
    running_ = false;
    if (result) {
      synced_ = covered;
    } else {
      failure_ = result.error();
    }
    done_.wake_all();
  }
  if (failure_) co_return std::unexpected(*failure_);
  co_return io::Result<>{};
}

}  // namespace ringdrop::storage
