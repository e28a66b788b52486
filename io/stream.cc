#include "io/stream.h"

namespace ringdrop::io {

Task<Result<>> send_unless_stalled(EventLoop& loop, Socket& socket, Bytes bytes, Milliseconds stall,
                                   const std::stop_token& stop) {
  while (!bytes.empty()) {
    const Bytes nothing;
    const Result<std::size_t> sent = co_await socket.send_all(bytes, nothing, loop.now() + stall, stop);
    if (!sent) co_return std::unexpected(sent.error());
    if (stop.stop_requested()) co_return fail(Errc::cancelled, "send");
    if (*sent == 0) co_return fail(Errc::timed_out, "send");
    bytes = bytes.subspan(*sent);
  }
  co_return Result<>{};
}

Task<Result<std::size_t>> PlainStream::receive_some(MutableBytes into, TimePoint deadline,
                                                    const std::stop_token& stop) {
  co_return co_await socket_.receive_some(into, deadline, stop);
}

Task<Result<>> PlainStream::send_all(Bytes bytes, Milliseconds stall, const std::stop_token& stop) {
  co_return co_await send_unless_stalled(loop_, socket_, bytes, stall, stop);
}

Task<> PlainStream::say_goodbye() {
  static_cast<void>(co_await socket_.shutdown_write());
}

}  // namespace ringdrop::io
