#include "server/transfer_buffers.h"

#include <algorithm>
#include <utility>

namespace ringdrop::server {

io::Task<io::Result<io::Buffer>> TransferBuffers::next(bool much_left, io::TimePoint deadline, std::stop_token stop) {
  if (much_left && proof_ >= proof_needed_) {
    std::optional<io::Buffer> large = pool_.try_large(use_);
    if (large) co_return std::move(*large);
  }
  co_return co_await pool_.small(use_, deadline, std::move(stop));
}

void TransferBuffers::report(const io::Buffer& buffer, bool kept_up) {
  if (kept_up) {
    proof_ = std::min(proof_ + 1, kMostProof);
    return;
  }
  proof_ = 0;
  if (buffer.size() == io::kLargeBufferBytes) proof_needed_ = std::min(proof_needed_ * 2, kMostProof);
}

}  // namespace ringdrop::server
