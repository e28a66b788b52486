#include "server/upload_append.h"

#include <utility>

#include "server/transfer_buffers.h"

namespace ringdrop::server {

io::Task<AppendEnd> append_body(const Services& services, http::BodyReader& body, storage::BlobWriter& writer,
                                uint64_t limit_bytes, std::stop_token stop) {
  TransferBuffers buffers(services.pool, io::BufferPool::Use::upload);
  bool wait_first = false;
  while (!body.complete()) {
    // After a read that came back short the peer is slow: wait for it without a buffer.
    if (wait_first) {
      const io::Result<> ready = co_await body.wait();
      if (!ready) co_return AppendEnd{AppendEnd::Kind::client_broke, ready.error()};
    }
    const bool much_left = !body.length() || *body.length() - body.bytes_read() > io::kSmallBufferBytes;
    const io::TimePoint deadline = services.loop.now() + services.config.stall_timeout;
    io::Result<io::Buffer> buffer = co_await buffers.next(much_left, deadline, stop);
    if (!buffer) co_return AppendEnd{AppendEnd::Kind::store_failed, buffer.error()};

    const MutableBytes room = buffer->bytes().first(writer.room_to_alignment(buffer->size()));
    const io::Result<std::size_t> got = co_await body.read(room, TransferBuffers::patience(*buffer));
    if (!got) co_return AppendEnd{AppendEnd::Kind::client_broke, got.error()};
    const bool kept_up = *got == room.size();
    buffers.report(*buffer, kept_up);
    wait_first = !kept_up;
    if (*got == 0) continue;
    if (body.bytes_read() > limit_bytes) co_return AppendEnd{AppendEnd::Kind::too_large};
    const io::Result<> appended = co_await writer.append(std::move(*buffer), *got);
    if (!appended) co_return AppendEnd{AppendEnd::Kind::store_failed, appended.error()};
  }
  co_return AppendEnd{};
}

}  // namespace ringdrop::server
