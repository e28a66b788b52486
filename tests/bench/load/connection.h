// One connection and the request that is under way on it: sends a Message, throws the answer away, never blocks. It is
// kept for the next request, and made anew when the server has closed it.
#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "tests/bench/load/message.h"
#include "tests/bench/load/pace.h"
#include "tests/bench/load/response.h"
#include "tests/bench/load/script.h"

namespace load {

class Connection {
 public:
  enum class State { idle, busy, answered, failed };

  // `pace`: of what it sends, or receives when its requests have no body.
  Connection(const sockaddr_in& address, std::unique_ptr<Script> script, Pace pace);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Connects, blocking; exits the program when there is no server. Then fd() is to be watched, edge-triggered.
  void connect();
  int fd() const { return fd_; }

  // Begins the script's next request, whose latency counts from `intended`. False: the script has come to its end.
  bool start(Nanoseconds intended, Nanoseconds now);

  // Goes on with what can be sent and, when something has come or ended, received: to be called after start(), on each
  // event, and at wake_at(). `answered`: with 2xx.
  State go_on(bool is_readable, Nanoseconds now);

  // When a paced connection may go on; 0: nothing to wait for.
  Nanoseconds wake_at() const { return wake_at_; }

  // Of the request that is under way, or was last.
  Nanoseconds intended() const { return intended_; }
  const Response& response() const { return reader_.response(); }
  uint64_t content_bytes() const { return message_.content_bytes + response().body_bytes; }  // both ways
  bool is_busy() const { return is_busy_; }
  bool is_open() const { return fd_ >= 0; }

  // Of all requests.
  uint64_t sent_bytes() const { return sent_total_; }
  uint64_t received_bytes() const { return received_total_; }  // of bodies, but for what came with their heads

 private:
  enum class Step { done, waits, failed };
  Step send_some(Nanoseconds now);
  Step receive_some(Nanoseconds now);
  bool reads_at_pace() const { return pace_.is_limited() && message_.block_bytes == 0; }
  uint64_t message_bytes() const { return message_.head.size() + message_.block_bytes + message_.tail.size(); }
  State failed();
  void close();

  sockaddr_in address_;
  std::unique_ptr<Script> script_;
  Pace pace_;
  int fd_ = -1;
  bool is_busy_ = false;
  Message message_;
  ResponseReader reader_;
  uint64_t sent_ = 0;  // of the message
  uint64_t sent_total_ = 0;
  uint64_t received_total_ = 0;
  Nanoseconds intended_ = 0;
  Nanoseconds started_ = 0;
  Nanoseconds wake_at_ = 0;
};

}  // namespace load
