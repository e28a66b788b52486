// The digests of a body, computed while it streams, on a worker lane: a loop never hashes.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "io/event_loop.h"
#include "io/task.h"
#include "io/worker.h"
#include "proto/digest.h"

namespace ringdrop::server {

class StreamDigest {
 public:
  // Both outlive it.
  StreamDigest(io::EventLoop& loop, io::Lane& lane, const std::vector<proto::DigestAlgorithm>& algorithms);

  bool empty() const { return digesters_.empty(); }
  // The next bytes; they live until the task has ended. One call at a time.
  io::Task<> update(Bytes bytes);
  // Of all bytes; exhausted: some could not be computed, since the lane was full. Once.
  io::Result<std::vector<proto::Digest>> finish();

 private:
  io::EventLoop& loop_;
  io::Lane& lane_;
  std::vector<proto::Digester> digesters_;
  bool failed_ = false;
};

}  // namespace ringdrop::server
