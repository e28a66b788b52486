// `ringdrop watch` without a network: what is asked, which answer is believed, what a message looks like as a line.
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "client/watched_upload.h"
#include "client/websocket.h"
#include "proto/http_message.h"
#include "proto/http_url.h"
#include "tests/io/test_loop.h"

namespace ringdrop::client {
namespace {

HttpAnswer answer_of(uint16_t status, const std::vector<std::pair<const char*, std::string>>& fields) {
  HttpAnswer answer;
  answer.head.status = status;
  for (const auto& [name, value] : fields) answer.head.fields.add(name, value);
  return answer;
}

std::string target_of(const char* url) {
  return watch_target(proto::parse_http_url(url).value());
}

}  // namespace

TEST_CASE("the URL of an upload is taken for that of its progress") {
  CHECK(target_of("http://h/watch/abc") == "/watch/abc");
  CHECK(target_of("http://h/uploads/abc/progress") == "/uploads/abc/progress");
  CHECK(target_of("http://h/uploads/abc") == "/uploads/abc/progress");
  CHECK(target_of("https://h/drop/uploads/abc") == "/drop/uploads/abc/progress");
  CHECK(target_of("http://h/uploads/") == "/uploads/");
  CHECK(target_of("http://h/") == "/");
}

TEST_CASE("a message as a line") {
  proto::ProgressNotice notice;
  notice.state = "receiving";
  notice.bytes_stored = 1 << 20;
  CHECK(format_notice(notice) == "receiving 1.0 MiB");
  notice.bytes_total = 4 << 20;
  CHECK(format_notice(notice) == "receiving 1.0 MiB of 4.0 MiB, 25%");
  notice.rate = 1048576.0;
  notice.eta = 3.0;
  CHECK(format_notice(notice) == "receiving 1.0 MiB of 4.0 MiB, 25%, 1.0 MiB/s, 0:03 left");
  notice.rate = -1e300;
  notice.eta = 1e300;
  notice.bytes_total = 0;
  CHECK(format_notice(notice) == "receiving 1.0 MiB of 0 B, 100%, 0 B/s, -:-- left");
  notice.state = "failed";
  notice.reason = "broken_off\x1b[2J";
  CHECK(format_notice(notice) == "failed: broken_off?[2J");
}

TEST_CASE("only the answer to our key is a websocket") {
  test::TestLoop test;
  const WebsocketHandshake handshake(test.loop().ring());
  const HttpRequest request = handshake.request("/watch/x");
  const std::string key(request.fields.find("Sec-WebSocket-Key").value());
  CHECK(key !=
        std::string(WebsocketHandshake(test.loop().ring()).request("/").fields.find("Sec-WebSocket-Key").value()));
  const std::string accept = proto::websocket_accept_of(key);
  using Fields = std::vector<std::pair<const char*, std::string>>;
  const Fields right{{"Upgrade", "WebSocket"}, {"Connection", "keep-alive, Upgrade"}, {"Sec-WebSocket-Accept", accept}};
  CHECK(handshake.accepts(answer_of(101, right)));
  CHECK_FALSE(handshake.accepts(answer_of(200, right)));
  for (std::size_t missing = 0; missing < right.size(); ++missing) {
    Fields fields = right;
    fields[missing].second = "other";
    CHECK_FALSE(handshake.accepts(answer_of(101, fields)));
    fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(missing));
    CHECK_FALSE(handshake.accepts(answer_of(101, fields)));
  }
  for (const char* const unasked : {"Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"}) {
    Fields fields = right;
    fields.emplace_back(unasked, "permessage-deflate");
    CHECK_FALSE(handshake.accepts(answer_of(101, fields)));
  }
}

TEST_CASE("what is no progress message is passed over, whatever it is") {
  const auto notice = proto::parse_progress(
      R"({"watch":"w","state":"receiving","bytes_stored":5,"bytes_total":10,"rate":2,"eta":2.5})");
  REQUIRE(notice.has_value());
  CHECK(notice->state == "receiving");
  CHECK(notice->bytes_stored == 5);
  CHECK(notice->bytes_total == 10U);
  CHECK(notice->rate == 2.0);
  CHECK(notice->eta == 2.5);
  CHECK(notice->url == "");
  for (const char* const other : {"", "[]", "{}", "1", R"({"state":"x"})", R"({"state":1,"bytes_stored":1})",
                                  R"({"state":"x","bytes_stored":-1})", R"({"state":"x","bytes_stored":1)"}) {
    CHECK_FALSE(proto::parse_progress(other).has_value());
  }
  CHECK(proto::parse_progress(R"({"state":"x","bytes_stored":1,"bytes_total":null,"rate":"1"})").has_value());
}

}  // namespace ringdrop::client
