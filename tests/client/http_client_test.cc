// One connection against a server that is a script: what it waits for, then what it says.
#include "client/http_client.h"

#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/connect.h"
#include "io/task_scope.h"
#include "io/wait_list.h"
#include "tests/io/test_loop.h"

namespace ringdrop::client {
namespace {

using io::Result;
using io::Task;

io::TimePoint soon(io::EventLoop& loop) {
  return loop.now() + io::Milliseconds(20'000);
}

// One step of a server: reads until `awaited` has come ("" is nothing), then says `says`.
struct Step {
  std::string awaited;
  std::string says;
};

// What the server has heard, and how it left.
struct Script {
  std::vector<Step> steps;
  bool reads_to_end = false;  // else it leaves with what is unread: the client gets a reset
  std::string heard{};
};

Task<> serve(io::EventLoop& loop, io::Listener& listener, Script& script) {
  const std::stop_token stop;
  io::Address peer;
  Result<io::OwnedFd> accepted = co_await listener.accept(peer, soon(loop), stop);
  REQUIRE(accepted.has_value());
  io::Socket socket(loop, std::move(*accepted));
  std::vector<std::byte> piece(64 * kKiB);
  for (const Step& step : script.steps) {
    while (script.heard.find(step.awaited) == std::string::npos) {
      const Result<std::size_t> got = co_await socket.receive_some(piece, soon(loop), stop);
      REQUIRE(got.has_value());
      REQUIRE(*got > 0);
      script.heard += as_text(Bytes(piece).first(*got));
    }
    const Bytes nothing;
    const Bytes says = as_bytes(step.says);
    static_cast<void>(co_await socket.send_all(says, nothing, soon(loop), stop));
  }
  while (script.reads_to_end) {
    const Result<std::size_t> got = co_await socket.receive_some(piece, soon(loop), stop);
    if (!got || *got == 0) break;
    script.heard += as_text(Bytes(piece).first(*got));
  }
}

class TextBody final : public BodySource {
 public:
  explicit TextBody(std::vector<std::string> pieces) : pieces_(std::move(pieces)) {}
  uint64_t length() const override {
    uint64_t bytes = 0;
    for (const std::string& piece : pieces_) bytes += piece.size();
    return bytes;
  }
  Task<Result<Bytes>> next() override {
    if (at_ == pieces_.size()) co_return Bytes{};
    if (pieces_[at_] == "fail") co_return io::fail(io::Errc::corrupt, "read");
    co_return as_bytes(pieces_[at_++]);
  }
  void sent(std::size_t bytes) override { sent_bytes += bytes; }
  std::size_t sent_bytes = 0;

 private:
  std::vector<std::string> pieces_;
  std::size_t at_ = 0;
};

// Runs `talk` with a connection to a server of that script.
using Talk = std::function<Task<>(HttpConnection&)>;
Task<> converse(io::EventLoop& loop, Script& script, const Talk& talk) {
  Result<io::Listener> listener = io::listen(loop, *io::parse_address("127.0.0.1:0"));
  REQUIRE(listener.has_value());
  io::TaskScope scope(loop);
  scope.spawn(serve(loop, *listener, script));
  const std::stop_token stop;
  const io::Address address = listener->address();
  Result<io::Socket> socket = co_await io::connect(loop, address, soon(loop), stop);
  REQUIRE(socket.has_value());
  {
    std::unique_ptr<io::Stream> stream = std::make_unique<io::PlainStream>(loop, std::move(*socket));
    HttpConnection connection(loop, std::move(stream), "h:1");
    co_await talk(connection);
  }
  co_await scope.join();
}

// A peer that takes nothing more, and whose last words are still on their way.
class BreakingStream final : public io::Stream {
 public:
  explicit BreakingStream(io::EventLoop& loop) : loop_(loop) {}
  Task<Result<std::size_t>> receive_some(MutableBytes into, io::TimePoint, const std::stop_token& stop) override {
    io::WaitList nobody(loop_, "a pause");
    static_cast<void>(co_await nobody.wait(loop_.now() + io::Milliseconds(30), stop));
    if (stop.stop_requested()) co_return io::fail(io::Errc::cancelled, "receive");
    const std::string_view answer = "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n";
    std::memcpy(into.data(), answer.data(), answer.size());
    co_return answer.size();
  }
  Task<Result<>> send_all(Bytes, io::Milliseconds, const std::stop_token&) override {
    co_return io::fail(io::Errc::closed, "send");
  }
  Task<> say_goodbye() override { co_return; }

 private:
  io::EventLoop& loop_;
};

HttpRequest request_of(std::string method) {
  return {std::move(method), "/x", {}};
}

}  // namespace

TEST_CASE("requests follow each other on one connection; interim answers are passed over") {
  test::TestLoop loop;
  Script script{.steps = {{"\r\n\r\n",
                           "HTTP/1.1 104 Upload Resumption Supported\r\nLocation: /u\r\n\r\n"
                           "HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nabc"},
                          {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nA: b\r\n\r\n"},
                          {"the body", "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"}}};
  const Talk talk = [](HttpConnection& connection) -> Task<> {
    const std::stop_token stop;
    HttpRequest request = request_of("POST");
    Result<HttpAnswer> answer = co_await connection.exchange(request, nullptr, stop);
    REQUIRE(answer.has_value());
    CHECK(answer->status() == 201);
    CHECK(answer->body == "abc");
    CHECK(connection.reusable());
    request = request_of("HEAD");
    answer = co_await connection.exchange(request, nullptr, stop);
    REQUIRE(answer.has_value());
    CHECK(answer->head.fields.find("A") == "b");
    CHECK(connection.reusable());
    request = request_of("PATCH");
    TextBody body({"the ", "body"});
    answer = co_await connection.exchange(request, &body, stop);
    REQUIRE(answer.has_value());
    CHECK(answer->status() == 204);
    CHECK(body.sent_bytes == 8);
    CHECK_FALSE(connection.reusable());
  };
  loop.run(converse(loop.loop(), script, talk));
  CHECK(script.heard ==
        "POST /x HTTP/1.1\r\nHost: h:1\r\nUser-Agent: ringdrop\r\nContent-Length: 0\r\n\r\n"
        "HEAD /x HTTP/1.1\r\nHost: h:1\r\nUser-Agent: ringdrop\r\n\r\n"
        "PATCH /x HTTP/1.1\r\nHost: h:1\r\nUser-Agent: ringdrop\r\nContent-Length: 8\r\n\r\nthe body");
}

TEST_CASE("a refusal in the middle of a body is heard, whether the server reads on or leaves at once") {
  for (const bool reads_on : {true, false}) {
    CAPTURE(reads_on);
    test::TestLoop loop;
    Script script{.steps = {{"\r\n\r\n", "HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\n\r\ntoo much\n"}},
                  .reads_to_end = reads_on};
    const Talk talk = [](HttpConnection& connection) -> Task<> {
      const std::stop_token stop;
      const HttpRequest request = request_of("PATCH");
      const std::vector<std::string> pieces(256, std::string(kMiB, 'x'));
      TextBody body(pieces);
      const Result<HttpAnswer> answer = co_await connection.exchange(request, &body, stop);
      REQUIRE(answer.has_value());
      CHECK(answer->status() == 413);
      CHECK(answer->body == "too much\n");
      CHECK(body.sent_bytes < body.length());
      CHECK_FALSE(connection.reusable());
    };
    loop.run(converse(loop.loop(), script, talk));
  }
}

TEST_CASE("what the peer said before it left is heard, although the rest could not be sent") {
  test::TestLoop loop;
  const auto talk = [](io::EventLoop& on) -> Task<uint16_t> {
    std::unique_ptr<io::Stream> stream = std::make_unique<BreakingStream>(on);
    HttpConnection connection(on, std::move(stream), "h");
    const std::stop_token stop;
    const HttpRequest request = request_of("PATCH");
    TextBody body({"x"});
    const Result<HttpAnswer> answer = co_await connection.exchange(request, &body, stop);
    CHECK_FALSE(connection.reusable());
    co_return static_cast<uint16_t>(answer ? answer->status() : 0);
  };
  CHECK(loop.run(talk(loop.loop())) == 409);
}

TEST_CASE("no answer, half an answer and no HTTP are failures of their own") {
  struct Row {
    std::string says;
    io::Errc code;
  };
  for (const Row& row : {Row{"", io::Errc::closed}, Row{"HTTP/1.1 200 OK\r\nA: b\r\n", io::Errc::closed},
                         Row{"SSH-2.0-OpenSSH\r\n", io::Errc::refused}}) {
    test::TestLoop loop;
    Script script{.steps = {{"\r\n\r\n", row.says}}};
    io::Errc code{};
    const Talk talk = [&code](HttpConnection& connection) -> Task<> {
      const std::stop_token stop;
      const HttpRequest request = request_of("GET");
      const Result<HttpAnswer> answer = co_await connection.exchange(request, nullptr, stop);
      REQUIRE_FALSE(answer.has_value());
      code = answer.error().code;
      CHECK_FALSE(connection.reusable());
    };
    loop.run(converse(loop.loop(), script, talk));
    CHECK(code == row.code);
  }
}

TEST_CASE("what the body's source fails with is the exchange's failure, and nobody is waited for") {
  test::TestLoop loop;
  Script script{.steps = {{"\r\n\r\n", ""}}, .reads_to_end = true};
  const Talk talk = [](HttpConnection& connection) -> Task<> {
    const std::stop_token stop;
    const HttpRequest request = request_of("PATCH");
    TextBody body({"some", "fail"});
    const Result<HttpAnswer> answer = co_await connection.exchange(request, &body, stop);
    REQUIRE_FALSE(answer.has_value());
    CHECK(answer.error().code == io::Errc::corrupt);
  };
  loop.run(converse(loop.loop(), script, talk));
  CHECK(script.heard.ends_with("\r\n\r\nsome"));
}

TEST_CASE("a stop ends an exchange that sends and one that waits") {
  for (const bool sends : {true, false}) {
    CAPTURE(sends);
    test::TestLoop loop;
    // It never reads the body: the sender gets stuck.
    Script script{.steps = {{"\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"}}};
    script.reads_to_end = !sends;
    io::EventLoop& on = loop.loop();
    const Talk talk = [sends, &on](HttpConnection& connection) -> Task<> {
      std::stop_source source;
      io::TaskScope scope(on);
      const auto stop_soon = [](io::EventLoop& where, std::stop_source& it) -> Task<> {
        io::WaitList nobody(where, "a pause");
        const std::stop_token never;
        static_cast<void>(co_await nobody.wait(where.now() + io::Milliseconds(30), never));
        it.request_stop();
      };
      scope.spawn(stop_soon(on, source));
      const std::stop_token stop = source.get_token();
      const HttpRequest request = request_of("PATCH");
      const std::vector<std::string> pieces(sends ? 64 : 1, std::string(kMiB, 'x'));
      TextBody body(pieces);
      const Result<HttpAnswer> answer = co_await connection.exchange(request, &body, stop);
      REQUIRE_FALSE(answer.has_value());
      CHECK((answer.error().code == io::Errc::cancelled || sends));
      co_await scope.join();
    };
    loop.run(converse(loop.loop(), script, talk));
  }
}

TEST_CASE("an answer without end is cut") {
  test::TestLoop loop;
  const std::string endless(2 * kMostAnswerBytes, 'x');
  Script script{.steps = {{"\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n" + endless}}};
  const Talk talk = [](HttpConnection& connection) -> Task<> {
    const std::stop_token stop;
    const HttpRequest request = request_of("GET");
    const Result<HttpAnswer> answer = co_await connection.exchange(request, nullptr, stop);
    REQUIRE(answer.has_value());
    CHECK(answer->status() == 400);
    CHECK(answer->body.size() >= kMostAnswerBytes);
    CHECK(answer->body.size() < kMostAnswerBytes + 8 * kKiB);
    CHECK_FALSE(connection.reusable());
  };
  loop.run(converse(loop.loop(), script, talk));
}

}  // namespace ringdrop::client
