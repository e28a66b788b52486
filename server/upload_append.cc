#include "server/upload_append.h"

#include <algorithm>
#include <utility>

#include "server/transfer_buffers.h"

namespace ringdrop::server {
namespace {

// What is received at a time: on a loop that is asked often two megabytes of each of several uploads are milliseconds
// for everybody else. On any other loop the whole buffer, which costs the least.
std::size_t piece_bytes(const Services& services, const io::Buffer& buffer) {
  const bool among_others = services.loop.health().is_asked_often(services.loop.now());
  return among_others ? std::min(buffer.size(), http::kShortBodyBytes) : buffer.size();
}

}  // namespace

io::Task<AppendEnd> append_body(const Services& services, http::BodyReader& body, BodySink& sink,
                                std::stop_token stop) {
  // A small first write costs the device nearly as much as a large one.
  TransferBuffers buffers(services.pool, io::BufferPool::Use::upload, body.starts_fast());
  bool wait_first = false;
  while (!body.complete()) {
    // After a read that came back short the peer is slow: wait for it without a buffer.
    if (wait_first) {
      const io::Result<> ready = co_await body.wait();
      if (!ready) co_return AppendEnd::client_broke(ready.error());
    }
    const bool much_left = !body.length() || *body.length() - body.bytes_read() > io::kSmallBufferBytes;
    const io::TimePoint deadline = services.loop.now() + services.config.stall_timeout;
    io::Result<io::Buffer> buffer = co_await buffers.next(much_left, deadline, stop);
    if (!buffer) co_return AppendEnd::store_failed(buffer.error());

    const MutableBytes room = buffer->bytes().first(sink.room(piece_bytes(services, *buffer)));
    const io::Result<std::size_t> got = co_await body.read(room, TransferBuffers::patience(*buffer));
    if (!got) co_return AppendEnd::client_broke(got.error());
    const bool kept_up = *got == room.size();
    buffers.report(*buffer, kept_up);
    wait_first = !kept_up;
    if (*got == 0) continue;
    AppendEnd taken = co_await sink.take(std::move(*buffer), *got);
    if (taken.kind != AppendEnd::Kind::whole) co_return taken;
  }
  co_return AppendEnd{};
}

}  // namespace ringdrop::server
