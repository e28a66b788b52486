#include "server/stream_digest.h"

#include <utility>

namespace ringdrop::server {

StreamDigest::StreamDigest(io::EventLoop& loop, io::Lane& lane, const std::vector<proto::DigestAlgorithm>& algorithms)
    : loop_(loop), lane_(lane), algorithms_(algorithms) {
  for (const proto::DigestAlgorithm algorithm : algorithms) digesters_.emplace_back(algorithm);
}

io::Task<> StreamDigest::update(Bytes bytes) {
  const auto work = [&] {
    for (proto::Digester& digester : digesters_) digester.update(bytes);
    return true;
  };
  const io::Result<bool> done = co_await io::run_on(loop_, lane_, work);
  if (!done) failed_ = true;
}

std::vector<std::pair<proto::DigestAlgorithm, std::string>> StreamDigest::save() const {
  std::vector<std::pair<proto::DigestAlgorithm, std::string>> states;
  for (const proto::Digester& digester : digesters_) {
    const proto::Digester fresh(digester.algorithm());
    states.emplace_back(digester.algorithm(), failed_ ? fresh.save() : digester.save());
  }
  return states;
}

io::Result<std::vector<proto::Digester>> StreamDigest::take() {
  if (failed_) return io::fail(io::Errc::exhausted, "digest");
  return std::move(digesters_);
}

io::Result<std::vector<proto::Digest>> StreamDigest::finish() {
  if (failed_) return io::fail(io::Errc::exhausted, "digest");
  std::vector<proto::Digest> digests;
  for (proto::Digester& digester : digesters_) digests.push_back({digester.algorithm(), digester.finish()});
  return digests;
}

}  // namespace ringdrop::server
