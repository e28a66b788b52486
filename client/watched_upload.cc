#include "client/watched_upload.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "client/dial.h"
#include "client/display_text.h"
#include "client/progress_line.h"
#include "client/upload_protocol.h"
#include "io/wait_list.h"

namespace ringdrop::client {
namespace {

using io::Result;
using io::Task;

constexpr uint64_t kMostMessageBytes = 64 * kKiB;
// A server asks whoever is silent for a sign of life, ours every 25 s: without a byte for so long it is gone.
constexpr io::Milliseconds kQuiet{60'000};

bool has_ended(const proto::ProgressNotice& notice) {
  return notice.state == "complete" || notice.state == "failed" || notice.state == "cancelled";
}

}  // namespace

std::string watch_target(const proto::HttpUrl& url) {
  const std::size_t id = url.path.rfind('/') + 1;
  const bool upload = url.path.substr(0, id).ends_with("/uploads/") && id < url.path.size();
  return upload ? url.path + "/progress" : url.path;
}

std::string format_notice(const proto::ProgressNotice& notice) {
  std::string line = printable(notice.state);
  if (!notice.reason.empty()) line += ": " + printable(notice.reason);
  if (has_ended(notice) && notice.state != "complete") return line;
  line += ' ' + format_bytes(static_cast<double>(notice.bytes_stored));
  if (notice.state == "complete") return line;
  if (notice.bytes_total) {
    const auto total = static_cast<double>(*notice.bytes_total);
    line += " of " + format_bytes(total);
    const double part = *notice.bytes_total == 0 ? 1 : std::min(1.0, static_cast<double>(notice.bytes_stored) / total);
    line += fmt::format(", {}%", static_cast<unsigned>(100 * part));
  }
  if (notice.rate) line += ", " + format_bytes(std::max(0.0, *notice.rate)) + "/s";
  if (notice.eta) line += ", " + format_time(*notice.eta) + " left";
  return line;
}

WatchedUpload::WatchedUpload(const ProgramParts& parts, const proto::HttpUrl& url, ProgressDisplay& display)
    : parts_(parts), url_(url), target_(watch_target(url)), display_(display) {}

Task<Outcome<proto::ProgressNotice>> WatchedUpload::run(const std::stop_token& stop) {
  display_.begin_file("upload", std::nullopt);
  Outcome<proto::ProgressNotice> last = co_await try_until_ended(stop);
  co_await display_.end_file(has_moved_ && last && last->state == "complete");
  co_return last;
}

Task<Outcome<proto::ProgressNotice>> WatchedUpload::try_until_ended(const std::stop_token& stop) {
  for (;;) {
    Outcome<proto::ProgressNotice> last = co_await attempt(stop);
    if (last) co_return last;
    // Whoever stands in the place of a server that has answered (a hotel's network, a proxy) will go away.
    const bool again =
        last.error().kind == Failure::Kind::again || (last.error().kind == Failure::Kind::final && has_answered_);
    if (!again) co_return last;
    const Outcome<> waited = co_await wait(last.error(), stop);
    if (!waited) co_return std::unexpected(waited.error());
  }
}

Task<Outcome<proto::ProgressNotice>> WatchedUpload::attempt(const std::stop_token& stop) {
  Outcome<std::unique_ptr<io::Stream>> stream = co_await dial(parts_.loop, parts_.blocking, url_, parts_.trust, stop);
  if (!stream) co_return std::unexpected(std::move(stream.error()));
  HttpConnection connection(parts_.loop, std::move(*stream), url_.authority);
  const WebsocketHandshake handshake(parts_.loop.ring());
  const HttpRequest request = handshake.request(target_);
  const Result<HttpAnswer> answer = co_await connection.exchange(request, nullptr, stop);
  if (!answer) co_return std::unexpected(connection_failure(answer.error()));
  if (answer->status() == 404) {
    has_answered_ = false;  // the server knows: what was watched is forgotten
    co_return give_up("there is nothing to watch at " + proto::format_http_url(url_));
  }
  if (answer->status() == 101 && !handshake.accepts(*answer)) co_return give_up("the server's handshake is wrong");
  if (answer->successful()) co_return give_up("no websocket is offered there, or a proxy lets none through");
  if (answer->status() != 101) co_return std::unexpected(answer_failure(*answer, false));
  has_answered_ = true;
  Websocket websocket(parts_.loop, connection.switch_protocols(), kMostMessageBytes);
  co_return co_await listen(websocket, stop);
}

Task<Outcome<proto::ProgressNotice>> WatchedUpload::listen(Websocket& websocket, const std::stop_token& stop) {
  std::vector<proto::WebsocketMessage> messages;
  for (;;) {
    const Result<> heard = co_await websocket.receive(messages, parts_.loop.now() + kQuiet, stop);
    for (const proto::WebsocketMessage& message : messages) {
      std::optional<proto::ProgressNotice> notice = proto::parse_progress(message.payload);
      if (!notice) continue;
      co_await show(*notice);
      if (has_ended(*notice)) {
        co_await websocket.close(proto::kCloseNormal);
        co_return std::move(*notice);
      }
    }
    messages.clear();
    if (!heard && stop.stop_requested()) co_await websocket.close(proto::kCloseGoingAway);
    if (!heard) co_return std::unexpected(connection_failure(heard.error()));
  }
}

Task<> WatchedUpload::show(const proto::ProgressNotice& notice) {
  const bool moves = notice.state == "receiving";
  backoff_.reset();
  display_.set_total(notice.bytes_total);
  if (notice.state != "waiting") display_.set_done(notice.bytes_stored);
  has_moved_ = has_moved_ || moves;
  display_.set_waiting(moves ? "" : printable(notice.state).substr(0, 10));
  std::string line = format_notice(notice);
  if (display_.has_bar() || has_ended(notice) || line == said_) co_return;
  said_ = line;
  co_await display_.note(std::move(line));
}

// Until the next attempt. The wish of the server counts when it is longer than ours.
Task<Outcome<>> WatchedUpload::wait(const Failure& why, const std::stop_token& stop) {
  std::array<std::byte, sizeof(uint64_t)> random{};
  parts_.loop.ring().random(random);
  uint64_t chance = 0;
  for (const std::byte byte : random) chance = chance << 8U | std::to_integer<uint64_t>(byte);
  const io::Milliseconds delay = std::max(backoff_.next(chance), why.retry_after.value_or(io::Milliseconds(0)));
  std::string line =
      fmt::format("ringdrop: {}; trying again in {:.1f} s", why.words, static_cast<double>(delay.count()) / 1000);
  display_.set_waiting("waiting");
  co_await display_.note(std::move(line));
  io::WaitList nobody(parts_.loop, "a pause");
  static_cast<void>(co_await nobody.wait(parts_.loop.now() + delay, stop));
  if (stop.stop_requested()) co_return std::unexpected(Failure{Failure::Kind::cancelled, "cancelled", std::nullopt});
  co_return Outcome<>{};
}

}  // namespace ringdrop::client
