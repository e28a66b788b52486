// One thread's share of a run: its connections on one epoll, each with one request at a time.
//
// Without a rate a connection asks again as soon as it has its answer: that finds out how much a server can do, and a
// server that stalls is asked less while it does. With a rate, requests are due at fixed times, whoever has a
// connection free takes the next, and its latency counts from when it was due: what a stall keeps waiting is counted as
// waiting ("coordinated omission"). Such a worker asks the kernel for short slices of the CPU: what it waits for the
// CPU is counted as the server's time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/load/connection.h"
#include "tests/bench/load/histogram.h"

namespace load {

struct Limits {
  Nanoseconds duration = 0;  // after which no request begins; 0: until the scripts end
  bool cut = false;          // what is under way then is cut; else it is awaited
  double rate = 0;           // requests a second of this worker; 0: as fast as answers come
};

struct Outcome {
  Histogram latency;  // nanoseconds, of successes
  uint64_t requests = 0;
  uint64_t content_bytes = 0;   // of successes, both ways
  uint64_t sent_bytes = 0;      // with all framing, of what was cut too
  uint64_t received_bytes = 0;  // of bodies, but for what came with their heads; of what was cut too
  uint64_t errors = 0;
  uint64_t reconnects = 0;
  uint64_t never_begun = 0;      // were due, and had no connection even after the end
  bool has_short_slices = true;  // of the CPU, every worker
  std::map<int, uint64_t> statuses;
  std::string location;  // of the last answer that had one
  Nanoseconds first_start = 0, last_answer = 0;
  Nanoseconds end = 0;  // of the run; what was cut has no answer

  void add(const Outcome& other);
};

class Worker {
 public:
  Worker(std::vector<std::unique_ptr<Connection>> connections, Limits limits);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Opens all connections, one after the other.
  void connect();
  // Until the end, on the calling thread.
  void run();
  // Connections stay open until the worker ends.
  const Outcome& outcome() const { return outcome_; }

 private:
  void watch(std::size_t index);
  void begin_requests(Nanoseconds now);
  void begin(std::size_t index, Nanoseconds intended, Nanoseconds now);
  void wake_paced(Nanoseconds now);
  void advance(std::size_t index, bool is_readable, Nanoseconds now);
  void finish(std::size_t index, Connection::State state, Nanoseconds now);
  bool is_over(Nanoseconds now) const;
  Nanoseconds next_time(Nanoseconds now) const;

  std::vector<std::unique_ptr<Connection>> connections_;
  Limits limits_;
  int epoll_ = -1;
  std::vector<std::size_t> free_;
  std::size_t busy_ = 0;
  bool scripts_ended_ = false;
  Nanoseconds end_ = 0;
  Nanoseconds interval_ = 0;  // of a rate
  Nanoseconds due_ = 0;       // when the next request should begin
  using Wake = std::pair<Nanoseconds, std::size_t>;
  std::priority_queue<Wake, std::vector<Wake>, std::greater<>> wakes_;
  Outcome outcome_;
};

}  // namespace load
