// The HTTP engine alone in the simulated world: a handler that echoes, one listener, one loop. For tests of connections
// by raw bytes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/buffer_pool.h"
#include "io/task_scope.h"
#include "server/http/acceptor.h"
#include "server/http/connections.h"
#include "tests/sim/run_task.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/world.h"

namespace ringdrop::http {

inline constexpr std::size_t kLargeAnswer = 1 << 20;
inline constexpr std::size_t kLargePiece = 100'000;

// Answers 200 with the method, the path and the body; `/ignore` answers without reading the body, `/stream` in an
// answer of unknown length; `/large` answers with kLargeAnswer bytes; `/pieces` reads the body in kLargePiece instead
// of 1,000; `/hints` sends interim responses first, more than can be left unread; `/chatter` becomes a websocket that
// talks all the time, and listens.
class EchoHandler final : public Handler {
 public:
  io::Task<io::Result<>> handle(const proto::RequestHead& request, const io::Address& peer, BodyReader& body,
                                ResponseWriter& response, const std::stop_source& cut) override;
  io::Task<io::Result<>> refuse(const proto::Rejection& why, ResponseWriter& response) override;
};

class EchoWorld {
 public:
  explicit EchoWorld(uint64_t seed, HttpLimits limits = {}, std::size_t max_connections = 100);
  ~EchoWorld();

  sim::SimClient client();
  // Runs a client's task to its end.
  template <class T>
  T run(io::Task<T> task) {
    return sim::run_task(world, client_loop, std::move(task));
  }

  sim::SimDisk disk{1 << 20};
  sim::World world;
  io::EventLoop& loop;
  io::EventLoop& client_loop;
  HttpLimits limits;
  io::BufferPool pool;
  EchoHandler handler;
  Connections connections;
  std::vector<Connections*> all{&connections};
  io::Address address;
  std::optional<Acceptor> acceptor;
  io::TaskScope accepting;
};

}  // namespace ringdrop::http
