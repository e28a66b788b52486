#include "server/watch_handler.h"

#include <algorithm>
#include <expected>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "io/task_scope.h"
#include "proto/digest.h"
#include "proto/media_type.h"
#include "proto/websocket.h"
#include "server/http/websocket_session.h"
#include "server/http_error.h"
#include "server/upload_answer.h"
#include "server/upload_view.h"
#include "server/web_page.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;

// What a watcher may say beyond ping, pong and close: nothing of it is needed.
constexpr uint64_t kMostMessageBytes = kKiB;
// A watcher of whom nothing was heard for so long is asked whether it is there; without an answer it is gone. In an
// event stream a comment keeps the proxies from giving up.
constexpr io::Milliseconds kQuiet{25'000};
constexpr io::Milliseconds kFarewell{2'000};
constexpr uint64_t kMostBeforeStart = 1'000;

// A count that goes down again.
class Counted {
 public:
  explicit Counted(std::atomic<uint64_t>& count) : count_(&count) { ++count; }
  Counted(Counted&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
  ~Counted() {
    if (count_) --*count_;
  }

 private:
  std::atomic<uint64_t>* count_;
};

// "https://host:port" -> "host:port".
std::string_view authority_of(std::string_view origin) {
  const std::size_t scheme = origin.find("://");
  if (scheme == origin.npos) return {};
  origin.remove_prefix(scheme + 3);
  return origin.substr(0, origin.find('/'));
}

// RFC 6455 10.2. Who sends no Origin is no browser. The scheme may be a proxy's.
bool may_watch_from_there(const Config& config, const Exchange& exchange) {
  const std::optional<std::string_view> origin = exchange.request.fields.find("Origin");
  if (!origin) return true;
  const auto listed = [&](std::string_view one) { return one == "*" || one == *origin; };
  if (std::ranges::any_of(config.cors_origins, listed)) return true;
  const std::string_view authority = authority_of(*origin);
  if (authority.empty()) return false;
  return proto::equals_ignoring_case(authority, exchange.request.host) ||
         proto::equals_ignoring_case(authority, authority_of(exchange.base_url()));
}

// One watcher and what it is told next.
class Watcher {
 public:
  Watcher(const Services& services, const Exchange& exchange, std::string watch_id, ProgressHub::Ptr record)
      : services_(services),
        exchange_(exchange),
        watch_id_(std::move(watch_id)),
        counted_(services.feed.counts().all),
        channel_(services.feed.watch(watch_id_, std::move(record))),
        give_up_(services.loop.now() + services.config.watch_wait) {
    if (!channel_->has_record()) before_start_.emplace(services.feed.counts().before_start);
  }

  // Many watchers of what nobody has announced cannot be told from an attack.
  bool one_too_many() const {
    return before_start_ && services_.feed.counts().before_start.load(std::memory_order_relaxed) > kMostBeforeStart;
  }

  bool has_ended() const { return news_ && server::has_ended(news_->progress.state); }
  // Its upload does not run.
  bool is_idle() const {
    return !news_ ||
           (news_->progress.state != ProgressState::receiving && news_->progress.state != ProgressState::finishing);
  }
  // What is to be said: stays until the next call of next().
  const ProgressNews& news() const { return *news_; }

  // Waits for news: true; false: nothing new by `deadline`. cancelled: the watcher should go, by drain or by stop.
  Task<Result<bool>> next(io::TimePoint deadline, const std::stop_token& stop) {
    const io::TimePoint until = before_start_ ? std::min(deadline, give_up_) : deadline;
    const Result<> woken = co_await channel_->next(seen_, until, stop);
    if (channel_->has_record()) before_start_.reset();
    if (!woken && woken.error().code != io::Errc::timed_out) co_return std::unexpected(woken.error());
    if (!woken) {
      if (!before_start_ || services_.loop.now() < give_up_) co_return false;
      ProgressNews over;
      over.progress.state = ProgressState::failed;
      over.progress.reason = "no_upload";
      news_ = make_news(watch_id_, std::move(over), {});
      co_return true;
    }
    news_ = channel_->newest();
    seen_ = news_->version;
    if (!news_->progress.token.empty()) add_url();
    co_return true;
  }

 private:
  // It depends on how this watcher calls us.
  void add_url() {
    ProgressNews own;
    own.version = news_->version;
    own.progress = news_->progress;
    std::string url = link_url(exchange_.base_url(), own.progress.token, own.progress.name);
    news_ = make_news(watch_id_, std::move(own), std::move(url));
  }

  const Services& services_;
  const Exchange& exchange_;
  const std::string watch_id_;
  Counted counted_;
  std::optional<Counted> before_start_;
  std::shared_ptr<ProgressFeed::Channel> channel_;
  const io::TimePoint give_up_;
  uint64_t seen_ = 0;
  ProgressNewsPtr news_;  // told last, or being told
};

// The reading half: answers pings, ignores messages, notices the end. Asks who is silent for a sign of life.
Task<> listen_to(http::WebsocketSession& session, io::EventLoop& loop, std::stop_source& over) {
  std::vector<proto::WebsocketMessage> ignored;
  bool asked = false;
  for (;;) {
    Result<> heard = co_await session.receive(ignored, loop.now() + kQuiet);
    ignored.clear();
    if (heard) {
      asked = false;
      continue;
    }
    const bool silent = heard.error().code == io::Errc::timed_out && !asked;
    if (silent) heard = co_await session.send_ping();
    asked = true;
    if (!silent || !heard) break;
  }
  over.request_stop();
}

struct RequestStop {
  std::stop_source source;
  void operator()() noexcept { source.request_stop(); }
};
using StopWith = std::stop_callback<RequestStop>;

// Tells a watcher all news until the upload's end, by `say`. When the server drains, who watches an upload that does
// not run leaves; of one that runs the end may still be seen.
template <class Say>
Task<Result<>> tell(const Exchange& exchange, io::EventLoop& loop, Watcher& watcher, const std::stop_token& over,
                    Say say) {
  std::stop_source leaving;
  const StopWith with_drain(exchange.response.drain(), RequestStop{leaving});
  const StopWith with_end(over, RequestStop{leaving});
  const std::stop_token is_leaving = leaving.get_token();
  for (;;) {
    const bool draining = is_leaving.stop_requested();
    if (draining && watcher.is_idle()) co_return Result<>{};
    const Result<bool> news = co_await watcher.next(loop.now() + kQuiet, draining ? over : is_leaving);
    if (!news && over.stop_requested()) co_return std::unexpected(news.error());
    if (!news) continue;  // the server drains
    const Result<> said = co_await say(*news);
    if (!said || watcher.has_ended()) co_return said;
  }
}

Task<Result<>> switch_to_websocket(const Exchange& exchange, std::string accept) {
  proto::ResponseHead head;
  head.status = 101;
  head.fields.add("Upgrade", "websocket");
  head.fields.add("Connection", "Upgrade");
  head.fields.add("Sec-WebSocket-Accept", accept);
  co_return co_await exchange.response.switch_protocols(head);
}

Task<Result<>> serve_websocket(const Services& services, const Exchange& exchange, Watcher& watcher,
                               std::string accept) {
  const Result<> switched = co_await switch_to_websocket(exchange, std::move(accept));
  if (!switched) co_return switched;
  exchange.response.inbound().socket().limit_unsent();
  http::WebsocketSession session(exchange.response, kMostMessageBytes, exchange.stop);
  std::stop_source over;
  const std::stop_token is_over = over.get_token();
  const StopWith with_connection(exchange.stop, RequestStop{over});
  io::TaskScope reading(services.loop);
  reading.spawn(listen_to(session, services.loop, over));
  // Nothing new for a while: the reading half sees to that.
  const auto say = [&](bool news) { return session.send_frames(news ? std::string_view(watcher.news().frame) : ""); };
  Result<> done = co_await tell(exchange, services.loop, watcher, is_over, say);
  if (done) done = co_await session.send_close(watcher.has_ended() ? proto::kCloseNormal : proto::kCloseGoingAway);
  if (done) {
    io::WaitList farewell(services.loop, "a watcher's farewell");
    static_cast<void>(co_await farewell.wait(services.loop.now() + kFarewell, is_over));
  }
  std::stop_source connection = exchange.cut;
  if (!is_over.stop_requested()) connection.request_stop();
  co_await reading.join();
  co_return Result<>{};
}

// HTML 9.2: server-sent events.
Task<Result<>> serve_event_stream(const Services& services, const Exchange& exchange, Watcher& watcher) {
  proto::ResponseHead head;
  head.fields.add("Content-Type", "text/event-stream");
  head.fields.add("Cache-Control", "no-store");
  head.fields.add("X-Accel-Buffering", "no");  // nginx would hold the events back
  head.fields.add("X-Content-Type-Options", "nosniff");
  exchange.response.start(head, std::nullopt);
  if (exchange.response.is_head()) co_return co_await exchange.response.finish();
  exchange.response.inbound().socket().limit_unsent();
  std::string event;
  const auto say = [&](bool news) {
    event = news ? "data: " + watcher.news().json + "\n\n" : ":\n\n";
    return exchange.response.write(as_bytes(event));
  };
  const Result<> told = co_await tell(exchange, services.loop, watcher, exchange.stop, say);
  if (!told) co_return told;
  exchange.response.close_after();
  co_return co_await exchange.response.finish();
}

Task<Result<>> serve_snapshot(const Services& services, const Exchange& exchange, Watcher& watcher) {
  const Result<bool> news = co_await watcher.next(services.loop.now(), exchange.stop);
  if (!news) co_return std::unexpected(news.error());
  proto::ResponseHead head;
  head.fields.add("Content-Type", "application/json");
  head.fields.add("Cache-Control", "no-store");
  head.fields.add("X-Content-Type-Options", "nosniff");
  const std::string body = watcher.news().json + "\n";
  co_return co_await exchange.response.send(head, body);
}

// What is watched.
struct Subject {
  std::string watch_id;
  ProgressHub::Ptr record;  // nullptr: nobody has announced it
};
using Found = std::expected<Subject, proto::Rejection>;

// The finding is over, and its memory given back, before the watching begins.
Task<Found> subject_of(const Services& services, db::Upload row) {
  Result<ProgressHub::Ptr> record = co_await record_of(services, row);
  if (!record) co_return std::unexpected(rejection_for(record.error()));
  Subject subject{row.watch, std::move(*record)};
  if (!subject.record) {
    // It has ended: the record that all may watch is made for as long as somebody does.
    subject.record = services.progress.open(row.watch);
    subject.record->begin_ended(progress_of(row));
  }
  co_return subject;
}

Task<Found> find_by_watch_id(const Services& services, std::string_view watch_id) {
  Subject subject{std::string(watch_id), services.progress.find(watch_id)};
  if (subject.record) co_return subject;
  Result<std::optional<db::Upload>> row = co_await services.catalogue.find_watched(services.loop, watch_id);
  if (!row) co_return std::unexpected(rejection_for(row.error()));
  if (!*row) co_return subject;
  co_return co_await subject_of(services, std::move(**row));
}

Task<Found> find_by_upload_id(const Services& services, std::string_view id) {
  std::expected<db::Upload, proto::Rejection> row = co_await find_upload(services, id);
  if (!row) co_return std::unexpected(row.error());
  co_return co_await subject_of(services, std::move(*row));
}

// The value of Sec-WebSocket-Accept.
std::expected<std::string, proto::Rejection> accept_watcher(const Services& services, const Exchange& exchange) {
  auto accept = proto::accept_websocket(exchange.request);
  if (accept && !may_watch_from_there(services.config, exchange)) return std::unexpected(errors::kForeignOrigin);
  return accept;
}

Task<Result<>> refuse(const Exchange& exchange, const proto::Rejection& why) {
  proto::Fields fields;
  if (why.status == 426) fields.add("Sec-WebSocket-Version", "13");
  co_return co_await send_rejection(why, exchange, fields);
}

Task<Result<>> serve_watcher(const Services& services, const Exchange& exchange, Subject subject) {
  const proto::RequestHead& request = exchange.request;
  const bool websocket = proto::asks_for_websocket(request);
  if (!websocket && accepts_page(request)) co_return co_await send_watch_page(exchange);
  std::expected<std::string, proto::Rejection> accept;
  if (websocket) accept = accept_watcher(services, exchange);
  if (!accept) co_return co_await refuse(exchange, accept.error());
  Watcher watcher(services, exchange, std::move(subject.watch_id), std::move(subject.record));
  if (watcher.one_too_many()) co_return co_await refuse(exchange, errors::kBusy);
  if (websocket) co_return co_await serve_websocket(services, exchange, watcher, std::move(*accept));
  if (proto::accepts_by_name(request.fields.joined("Accept"), "text/event-stream")) {
    co_return co_await serve_event_stream(services, exchange, watcher);
  }
  co_return co_await serve_snapshot(services, exchange, watcher);
}

}  // namespace

Task<Result<>> handle_watch(const Services& services, const Exchange& exchange, std::string_view watch_id) {
  Found subject = co_await find_by_watch_id(services, watch_id);
  if (!subject) co_return co_await refuse(exchange, subject.error());
  co_return co_await serve_watcher(services, exchange, std::move(*subject));
}

Task<Result<>> handle_upload_progress(const Services& services, const Exchange& exchange, std::string_view id) {
  Found subject = co_await find_by_upload_id(services, id);
  if (!subject) co_return co_await refuse(exchange, subject.error());
  co_return co_await serve_watcher(services, exchange, std::move(*subject));
}

}  // namespace ringdrop::server
