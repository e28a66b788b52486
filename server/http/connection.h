// One HTTP/1.1 connection from its first byte to its last: heads, requests in order, keep-alive, pipelining, refusals,
// lingering close. What a request means is the Handler's to know.
#pragma once

#include <stop_token>

#include "io/address.h"
#include "io/buffer_pool.h"
#include "io/event_loop.h"
#include "io/socket.h"
#include "io/task.h"
#include "proto/http_message.h"
#include "server/http/body_reader.h"
#include "server/http/head_budget.h"
#include "server/http/limits.h"
#include "server/http/response_writer.h"

namespace ringdrop::http {

// The application, as one loop sees it.
class Handler {
 public:
  // Answers one request: reads as much of the body as it needs and sends one final answer. An error: the connection
  // cannot go on (the peer is gone, a deadline passed, an answer broke off); it is closed. A stop of `cut` ends this
  // connection now: the server asks for it, and the handler may.
  virtual io::Task<io::Result<>> handle(const proto::RequestHead& request, const io::Address& peer, BodyReader& body,
                                        ResponseWriter& response, const std::stop_source& cut) = 0;
  // The answer to bytes that are no acceptable request; closes the connection afterwards.
  virtual io::Task<io::Result<>> refuse(const proto::Rejection& why, ResponseWriter& response) = 0;

 protected:
  ~Handler() = default;
};

struct ConnectionStops {
  std::stop_token drain;  // no further request; an idle connection ends at once
  std::stop_token cut;    // end whatever runs
};

// What the connections of one loop share; all of it outlives them.
struct LoopParts {
  io::EventLoop& loop;
  io::BufferPool& pool;
  HeadBudget& heads;
  Handler& handler;
  const HttpLimits& limits;
};

// Serves the connection to its end.
io::Task<> serve_connection(LoopParts parts, io::Socket socket, io::Address peer, ConnectionStops stops);

}  // namespace ringdrop::http
