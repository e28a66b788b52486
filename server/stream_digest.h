// The digests of a body, computed while it streams, on a worker lane: a loop never hashes.
#pragma once

#include <string>
#include <utility>
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
  // Goes on with digests in the making.
  StreamDigest(io::EventLoop& loop, io::Lane& lane, std::vector<proto::Digester> digesters)
      : loop_(loop), lane_(lane), digesters_(std::move(digesters)) {
    for (const proto::Digester& digester : digesters_) algorithms_.push_back(digester.algorithm());
  }

  bool empty() const { return algorithms_.empty(); }
  const std::vector<proto::DigestAlgorithm>& algorithms() const { return algorithms_; }
  // The next bytes; they live until the task has ended. One call at a time.
  io::Task<> update(Bytes bytes);
  // Their states now (Digester::save()), between two updates; once failed(), those of no bytes at all.
  std::vector<std::pair<proto::DigestAlgorithm, std::string>> save() const;
  // Some bytes could not be hashed.
  bool failed() const { return failed_; }
  // The digests in the making, to go on with them later; exhausted as with finish(). Once.
  io::Result<std::vector<proto::Digester>> take();
  // Of all bytes; exhausted: some could not be computed, since the lane was full. Once.
  io::Result<std::vector<proto::Digest>> finish();

 private:
  io::EventLoop& loop_;
  io::Lane& lane_;
  std::vector<proto::DigestAlgorithm> algorithms_;
  std::vector<proto::Digester> digesters_;
  bool failed_ = false;
};

}  // namespace ringdrop::server
