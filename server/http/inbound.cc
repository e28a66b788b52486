#include "server/http/inbound.h"

#include <cstring>
#include <utility>

#include "base/check.h"

namespace ringdrop::http {
namespace {

// What is on its way already: a longer request is mostly there when its first bytes are.
constexpr io::Milliseconds kMoreComesWithin{1};

}  // namespace

void Inbound::consume(std::size_t bytes) {
  unused_ = unused_.subspan(bytes);
  if (!unused_.empty()) return;
  buffer_.reset();
  if (!aside_.empty()) std::vector<std::byte>().swap(aside_);  // clear() would keep its memory
}

io::Task<io::Result<>> Inbound::wait(io::TimePoint deadline, const std::stop_token& stop) {
  if (dropped_) co_return io::Result<>{};
  co_return co_await socket_.wait_readable(deadline, stop);
}

io::Task<io::Result<>> Inbound::wait_for_request(io::TimePoint deadline, const std::stop_token& stop) {
  if (dropped_ || ended_ || first_bytes_ > 0) co_return io::Result<>{};
  const io::Result<std::size_t> received = co_await socket_.receive_later(MutableBytes(first_), deadline, stop);
  if (!received) co_return std::unexpected(received.error());
  first_bytes_ = *received;
  ended_ = *received == 0;
  co_return io::Result<>{};
}

bool Inbound::take_short_request() {
  CHECK_THAT(unused_.empty());
  if (dropped_ || first_bytes_ == 0 || first_bytes_ == first_.size()) return false;
  more_waiting_ = false;
  unused_ = Bytes(first_).first(std::exchange(first_bytes_, 0));
  return true;
}

io::Task<io::Result<bool>> Inbound::receive(io::TimePoint deadline, const std::stop_token& stop) {
  CHECK_THAT(unused_.empty() && (first_bytes_ == 0 || first_bytes_ == first_.size()));
  if (dropped_ || ended_) co_return false;
  const Bytes first = Bytes(first_).first(std::exchange(first_bytes_, 0));
  io::Result<io::Buffer> buffer = co_await pool_.small(io::BufferPool::Use::other, deadline, stop);
  if (!buffer) {
    if (buffer.error().code == io::Errc::timed_out) co_return io::fail(io::Errc::exhausted, "receive");
    co_return std::unexpected(buffer.error());
  }
  std::memcpy(buffer->data(), first.data(), first.size());
  const MutableBytes room = buffer->bytes().subspan(first.size());
  // What has come is not kept waiting for more.
  if (!first.empty()) deadline = loop_.now() + kMoreComesWithin;
  io::Result<std::size_t> received = co_await socket_.receive_some(room, deadline, stop);
  if (!received && !first.empty() && received.error().code == io::Errc::timed_out) received = 0;
  if (!received) co_return std::unexpected(received.error());
  *received += first.size();
  if (*received == 0) co_return false;
  more_waiting_ = *received == buffer->size();
  buffer_.emplace(std::move(*buffer));
  unused_ = buffer_->bytes().first(*received);
  co_return true;
}

void Inbound::put_back(Bytes bytes) {
  CHECK_THAT(unused_.empty() && bytes.size() <= kMostPutBackBytes);
  more_waiting_ = false;  // nobody has looked
  std::optional<io::Buffer> buffer = pool_.try_small(io::BufferPool::Use::other);
  if (!buffer) {
    keep_aside(bytes);
    return;
  }
  if (!bytes.empty()) std::memcpy(buffer->data(), bytes.data(), bytes.size());
  unused_ = buffer->bytes().first(bytes.size());
  buffer_.emplace(std::move(*buffer));
}

void Inbound::set_aside() {
  if (!buffer_) return;
  keep_aside(unused_);
  buffer_.reset();
}

void Inbound::keep_aside(Bytes bytes) {
  if (bytes.size() > kSetAsideBytes) {
    dropped_ = true;
    bytes = {};
  }
  aside_.assign(bytes.begin(), bytes.end());
  unused_ = aside_;
}

}  // namespace ringdrop::http
