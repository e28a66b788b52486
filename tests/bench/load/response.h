// The answer as it comes: its head is read, its body counted and thrown away. Knows Content-Length alone, since no
// server that is measured answers otherwise; interim answers are passed over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace load {

struct Response {
  int status = 0;
  uint64_t body_bytes = 0;  // all that it is to have, come or not
  bool closes = false;      // Connection: close
  std::string location;     // of the field; empty without
};

class ResponseReader {
 public:
  // Where the next bytes are received to while the head is awaited.
  std::span<char> room() { return std::span(buffer_).subspan(filled_); }

  // That many bytes have come into room(). False: this is no answer that it can read.
  bool received(std::size_t bytes);

  // The head is there, and so many bytes of the body are still to be thrown away.
  bool has_head() const { return has_head_; }
  uint64_t missing() const { return missing_; }
  void discarded(uint64_t bytes) { missing_ -= bytes; }

  bool is_complete() const { return has_head_ && missing_ == 0; }
  const Response& response() const { return response_; }

  // For the next answer on the connection.
  void reset();

 private:
  bool parse_head(std::size_t head_bytes);

  char buffer_[8192];  // a file of 4 KiB comes with its head in one call
  std::size_t filled_ = 0;
  bool has_head_ = false;
  uint64_t missing_ = 0;
  Response response_;
};

}  // namespace load
