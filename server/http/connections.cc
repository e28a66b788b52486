#include "server/http/connections.h"

#include <utility>

namespace ringdrop::http {

Connections::Connections(io::EventLoop& loop, io::BufferPool& pool, Handler& handler, const HttpLimits& limits)
    : loop_(loop), pool_(pool), handler_(handler), limits_(limits), scope_(loop) {}

void Connections::adopt(int fd, const io::Address& peer) {
  count_.fetch_add(1, std::memory_order_relaxed);
  loop_.post([this, fd, peer] {
    io::Socket socket(loop_, io::OwnedFd(loop_.ring(), fd));
    scope_.spawn(serve(std::move(socket), peer));
  });
}

io::Task<> Connections::serve(io::Socket socket, io::Address peer) {
  struct Uncount {
    std::atomic<std::size_t>& count;
    ~Uncount() { count.fetch_sub(1, std::memory_order_relaxed); }
  };
  const Uncount at_the_end{count_};
  ConnectionStops stops{drain_.get_token(), cut_.get_token()};
  io::Task<> served = serve_connection(loop_, pool_, std::move(socket), peer, handler_, limits_, std::move(stops));
  co_await std::move(served);
}

}  // namespace ringdrop::http
