#include "server/http/connections.h"

#include <utility>

namespace ringdrop::http {
namespace {

// Large heads take at most a quarter of what the buffers may, beside them.
constexpr uint64_t kHeadShare = 4;

}  // namespace

Connections::Connections(io::EventLoop& loop, io::BufferPool& pool, Handler& handler, const HttpLimits& limits)
    : loop_(loop),
      heads_(pool.budget_bytes() / kHeadShare),
      parts_{loop, pool, heads_, handler, limits},
      scope_(loop) {}

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
  io::Task<> served = serve_connection(parts_, std::move(socket), peer, std::move(stops));
  co_await std::move(served);
}

}  // namespace ringdrop::http
