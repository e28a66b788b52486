// One HTTP/1.1 connection from the client's side: a request out, its body streamed, the answer in. It reads while it
// sends: a server that refuses in the middle of a body is heard. Not here: how the connection came about (dial.h), what
// an answer means, retries.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "base/bytes.h"
#include "io/event_loop.h"
#include "io/stream.h"
#include "io/task.h"
#include "proto/http_message.h"
#include "proto/http_response_parser.h"

namespace ringdrop::client {

// How long nothing may go out while there is something to send, and how long an answer may take behind it.
inline constexpr io::Milliseconds kSendStallLimit{60'000};
inline constexpr io::Milliseconds kAnswerLimit{60'000};
// An answer's body is one link, or some words: what is longer is cut.
inline constexpr std::size_t kMostAnswerBytes = 64 * kKiB;

struct HttpRequest {
  std::string method;
  std::string target;
  proto::Fields fields;  // besides Host and Content-Length
};

// What a request's body is made of; asked for piece by piece.
class BodySource {
 public:
  virtual uint64_t length() const = 0;
  // The next piece, not empty; it stays until the next call. Empty: all `length()` bytes were given.
  virtual io::Task<io::Result<Bytes>> next() = 0;
  // So many bytes more are on their way.
  virtual void sent(std::size_t bytes) = 0;

 protected:
  ~BodySource() = default;
};

struct HttpAnswer {
  proto::ReceivedHead head;
  std::string body;

  uint16_t status() const { return head.status; }
  bool successful() const { return head.status >= 200 && head.status < 300; }
};

struct SwitchedStream {
  std::unique_ptr<io::Stream> stream;
  std::string unread;  // came already
};

class HttpConnection {
 public:
  // `authority`: what Host says.
  HttpConnection(io::EventLoop& loop, std::unique_ptr<io::Stream> stream, std::string authority);

  // The final answer; interim ones are passed over. `body`: nullptr for a request without one. The body may have been
  // sent in part only: what the server answered before its end stands. closed, timed_out, cancelled; refused: what came
  // is no answer (`op` says why); or what `body` has failed with. Afterwards reusable() tells what the connection is
  // good for. All arguments live until it is over.
  io::Task<io::Result<HttpAnswer>> exchange(const HttpRequest& request, BodySource* body, const std::stop_token& stop);
  // Whether another request may be sent.
  bool reusable() const { return reusable_; }
  io::Task<> say_goodbye() { return stream_->say_goodbye(); }
  // Behind a 101: the connection speaks another protocol now, and this object is done.
  SwitchedStream switch_protocols();

 private:
  // How the sending half goes, for the receiving one.
  struct Sending {
    bool over = false;
    io::TimePoint over_at{};
    io::Result<> result;
    std::stop_source receiving;  // stopped when no answer can come any more
  };

  io::Task<> send(const std::string& head, BodySource* body, Sending& sending, const std::stop_token& stop);
  io::Task<io::Result<>> send_all(const std::string& head, BodySource* body, const std::stop_token& stop);
  io::Task<io::Result<HttpAnswer>> receive(bool to_head, Sending& sending);
  io::Task<io::Result<>> receive_head(Sending& sending);
  io::Task<io::Result<>> receive_body(std::string& content, Sending& sending);
  io::Task<io::Result<std::size_t>> receive_more(Sending& sending);

  io::EventLoop& loop_;
  std::unique_ptr<io::Stream> stream_;
  const std::string authority_;
  bool reusable_ = true;
  proto::HttpResponseParser parser_;
  std::array<std::byte, 16 * kKiB> received_;
  Bytes unread_;  // of received_
};

}  // namespace ringdrop::client
