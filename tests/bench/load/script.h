// What one connection asks for, request after request. Each connection has a script of its own, used by one thread;
// what the scripts of a run share (how many requests are left) is atomic.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/load/message.h"
#include "tests/bench/load/response.h"

namespace load {

// How many requests a run makes, over all connections.
class Quota {
 public:
  // 0: without an end.
  explicit Quota(uint64_t count) : left_(count), is_bounded_(count > 0) {}

  // The number of the request that is granted, from 0; -1: no more.
  int64_t take() {
    const int64_t number = taken_.fetch_add(1, std::memory_order_relaxed);
    return is_bounded_ && number >= static_cast<int64_t>(left_) ? -1 : number;
  }

 private:
  std::atomic<int64_t> taken_ = 0;
  uint64_t left_;
  bool is_bounded_;
};

class Script {
 public:
  virtual ~Script() = default;
  // The next request; false: there is none any more.
  virtual bool next(Message& message) = 0;
  // The answer to it, a success.
  virtual void answered(const Response& response) = 0;
};

// PUT (or POST, as a form) of the same body to one new name after another: `target` with the request's number for '%'.
std::unique_ptr<Script> upload_script(const Body& body, Framing framing, std::string target, Quota& quota);

// GET of the targets, which all connections of a run take in turn: what one has asked for another does not find in a
// cache.
std::unique_ptr<Script> download_script(const std::vector<std::string>& targets, Quota& quota);

// One upload by tus: a creation, then `pieces` PATCHes of the body, each after the answer to the one before.
std::unique_ptr<Script> append_script(const Body& body, uint64_t piece_bytes, uint64_t pieces);

}  // namespace load
