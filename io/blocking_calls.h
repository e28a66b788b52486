// Calls that the ring has no operation for under kernel 6.1 (or whose operation blocks), and memory's first touch,
// which waits as long as the kernel makes huge pages: they run on a worker lane and come back as completions, so that
// nobody above can tell the difference.
#pragma once

#include "io/error.h"
#include "io/worker.h"

namespace ringdrop::io {

bool is_blocking_call(Op op);

// Stands in for `operation` on the lane and passes the result on.
class BlockingCall final : public Job {
 public:
  explicit BlockingCall(Operation& operation) : operation_(operation) {}
  void run() noexcept override;
  void complete(int32_t) noexcept override { operation_.complete(result_); }

 private:
  Operation& operation_;
  int32_t result_ = 0;
};

}  // namespace ringdrop::io
