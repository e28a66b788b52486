#include "server/http/inbound.h"

#include <utility>

#include "base/check.h"

namespace ringdrop::http {

io::Task<io::Result<bool>> Inbound::fill(io::TimePoint deadline, const std::stop_token& stop) {
  CHECK_THAT(unused_.empty());
  const io::Result<> readable = co_await socket_.wait_readable(deadline, stop);
  if (!readable) co_return std::unexpected(readable.error());
  io::Result<io::Buffer> buffer = co_await pool_.small(io::BufferPool::Use::other, deadline, stop);
  if (!buffer) co_return std::unexpected(buffer.error());
  const io::Result<std::size_t> received = co_await socket_.receive_some(buffer->bytes(), deadline, stop);
  if (!received) co_return std::unexpected(received.error());
  if (*received == 0) co_return false;
  buffer_.emplace(std::move(*buffer));
  unused_ = buffer_->bytes().first(*received);
  co_return true;
}

}  // namespace ringdrop::http
