#include "server/progress_feed.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "proto/api_json.h"
#include "proto/websocket.h"

namespace ringdrop::server {
namespace {

constexpr io::Milliseconds kShortestPause{100};
constexpr io::Milliseconds kLongestPause{1'000};
// The rate is that of about the last so many seconds.
constexpr double kRateSeconds = 3;

std::optional<double> eta_of(const ProgressNews& news) {
  const Progress& progress = news.progress;
  if (!news.rate || *news.rate < 1 || !progress.bytes_total) return std::nullopt;
  const uint64_t left = *progress.bytes_total - std::min(*progress.bytes_total, progress.bytes_stored);
  return static_cast<double>(left) / *news.rate;
}

// Text for display: a few digits are enough.
double rounded(double value, double step) {
  return std::floor(value / step) * step;
}

// A frame without a mask, as every server sends it.
std::string frame_of(std::string_view text) {
  proto::WebsocketCodec codec(proto::WebsocketCodec::Role::server, 0);
  codec.send(text, true);
  return codec.output();
}

}  // namespace

ProgressNewsPtr make_news(std::string_view watch_id, ProgressNews news, std::string url) {
  proto::ProgressMessage message;
  message.watch = watch_id;
  message.state = name_of(news.progress.state);
  message.bytes_stored = news.progress.bytes_stored;
  message.bytes_total = news.progress.bytes_total;
  if (news.rate) message.rate = rounded(*news.rate, 1);
  if (const std::optional<double> eta = eta_of(news)) message.eta = rounded(*eta, 0.5);
  message.url = std::move(url);
  message.reason = news.progress.reason;
  news.json = proto::format_progress(message);
  news.frame = frame_of(news.json);
  return std::make_shared<const ProgressNews>(std::move(news));
}

ProgressFeed::Channel::~Channel() {
  // Another one of the same id may be there by now.
  const auto found = feed_.channels_.find(watch_id_);
  if (found != feed_.channels_.end() && found->second.expired()) feed_.channels_.erase(found);
}

io::Task<io::Result<>> ProgressFeed::Channel::next(uint64_t seen, io::TimePoint deadline, const std::stop_token& stop) {
  while (newest_->version == seen) {
    const io::Result<> woken = co_await news_.wait(deadline, stop);
    if (!woken) co_return woken;
  }
  co_return io::Result<>{};
}

void ProgressFeed::Channel::sample(io::TimePoint now) {
  if (!record_) record_ = feed_.hub_.find(watch_id_);
  Progress progress;
  if (record_) progress = record_->sample();
  const double seconds = std::chrono::duration<double>(now - sampled_at_).count();
  if (progress.state != ProgressState::receiving) {
    rate_sum_ = rate_weights_ = 0;
  } else if (newest_->progress.state == ProgressState::receiving && seconds > 0) {
    const double bytes = static_cast<double>(progress.bytes_stored - std::min(sampled_bytes_, progress.bytes_stored));
    const double weight = std::min(1.0, seconds / kRateSeconds);
    rate_sum_ = rate_sum_ * (1 - weight) + bytes / seconds * weight;
    rate_weights_ = rate_weights_ * (1 - weight) + weight;
  }
  sampled_at_ = now;
  sampled_bytes_ = progress.bytes_stored;
  if (newest_->version == 0 || progress != newest_->progress || has_slowed_down()) publish(std::move(progress));
}

std::optional<double> ProgressFeed::Channel::rate() const {
  if (rate_weights_ <= 0) return std::nullopt;
  return rate_sum_ / rate_weights_;
}

bool ProgressFeed::Channel::has_slowed_down() const {
  const std::optional<double> told = newest_->rate;
  return told && *told >= 1 && rate().value_or(0) < *told / 2;
}

void ProgressFeed::Channel::publish(Progress progress) {
  ProgressNews news;
  news.version = newest_->version + 1;
  news.progress = std::move(progress);
  news.rate = rate();
  newest_ = make_news(watch_id_, std::move(news), {});
  news_.wake_all();
}

ProgressFeed::ProgressFeed(io::EventLoop& loop, const Config& config, ProgressHub& hub, WatcherCounts& counts)
    : loop_(loop), config_(config), hub_(hub), counts_(counts), wake_(loop, "a look at what is watched") {}

std::shared_ptr<ProgressFeed::Channel> ProgressFeed::watch(std::string_view watch_id, ProgressHub::Ptr record) {
  const auto found = channels_.find(watch_id);
  std::shared_ptr<Channel> channel = found == channels_.end() ? nullptr : found->second.lock();
  if (channel && record && channel->record_ && channel->record_ != record) {
    // Who still watches the upload that has failed under this id hears of that; the next one is another's.
    channel->sample(loop_.now());
    channel.reset();
  }
  if (!channel) {
    if (channels_.empty()) wake_.wake_all();
    channel = std::make_shared<Channel>(*this, std::string(watch_id));
    channels_.insert_or_assign(std::string(watch_id), channel);
  }
  if (!channel->record_) channel->record_ = std::move(record);
  if (channel->newest_->version == 0) channel->sample(loop_.now());
  return channel;
}

io::Milliseconds ProgressFeed::pause() const {
  const uint64_t watchers = counts_.all.load(std::memory_order_relaxed);
  const io::Milliseconds fair(1'000 * watchers / config_.progress_events_per_second);
  return std::clamp(fair, kShortestPause, kLongestPause);
}

io::Task<> ProgressFeed::run(std::stop_token stop) {
  std::vector<std::shared_ptr<Channel>> now_watched;
  while (!stop.stop_requested()) {
    const io::TimePoint next = channels_.empty() ? io::kNever : loop_.now() + pause();
    const io::Result<> woken = co_await wake_.wait(next, stop);
    if (woken) continue;  // the first has come
    // Whoever watched alone may go while the others are sampled.
    for (const auto& [watch_id, channel] : channels_) now_watched.push_back(channel.lock());
    for (const std::shared_ptr<Channel>& channel : now_watched) {
      if (channel) channel->sample(loop_.now());
    }
    now_watched.clear();
  }
}

}  // namespace ringdrop::server
