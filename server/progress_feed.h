// What the watchers of one loop are told: samples the records they watch, makes each message once for all of them, and
// wakes them. At most 10 messages a second a watcher, and at most progress_events_per_second a server: more watchers,
// fewer messages each, but never less than one a second. A watcher who is slow gets the newest message, never a queue.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "io/event_loop.h"
#include "io/task.h"
#include "io/wait_list.h"
#include "server/config.h"
#include "server/progress_hub.h"

namespace ringdrop::server {

// One message. It never changes: a watcher may be sending it still when the next one is there.
struct ProgressNews {
  uint64_t version = 0;  // who has seen it has seen the message; 0: nothing yet
  Progress progress;
  std::optional<double> rate;  // bytes a second, lately
  std::string json;
  std::string frame;  // the same as a websocket text message
};
using ProgressNewsPtr = std::shared_ptr<const ProgressNews>;
// `version`, `progress` and `rate` in words. `url`: of the link, which depends on how a watcher calls us; "" without.
ProgressNewsPtr make_news(std::string_view watch_id, ProgressNews news, std::string url);

// How many watch, over all loops.
struct WatcherCounts {
  std::atomic<uint64_t> all{0};
  std::atomic<uint64_t> before_start{0};  // of an upload that nobody has announced
};

class ProgressFeed {
 public:
  // One watch id on this loop. Lives as long as a watcher holds it.
  class Channel {
   public:
    Channel(ProgressFeed& feed, std::string watch_id)
        : feed_(feed), watch_id_(std::move(watch_id)), news_(feed.loop_, "a watcher who has news") {}
    ~Channel();
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    // Without `url`.
    const ProgressNewsPtr& newest() const { return newest_; }
    // Whether anybody has announced the upload.
    bool has_record() const { return record_ != nullptr; }
    // Suspends until the newest message is another than `seen`. timed_out, cancelled. `stop` lives until then.
    io::Task<io::Result<>> next(uint64_t seen, io::TimePoint deadline, const std::stop_token& stop);

   private:
    friend class ProgressFeed;
    void sample(io::TimePoint now);
    void publish(Progress progress);
    std::optional<double> rate() const;
    // An upload that stands still is news, too: the rate that was told is not true any more. Each time it has halved.
    bool has_slowed_down() const;

    ProgressFeed& feed_;
    const std::string watch_id_;
    ProgressHub::Ptr record_;
    ProgressNewsPtr newest_ = std::make_shared<ProgressNews>();
    io::WaitList news_;
    // For the rate: a weighted mean of what was seen, the latest counting most. Divided by the weights, so that the
    // first seconds of an upload do not look slower than they are.
    double rate_sum_ = 0;
    double rate_weights_ = 0;
    io::TimePoint sampled_at_{};
    uint64_t sampled_bytes_ = 0;
  };

  // All outlive the feed.
  ProgressFeed(io::EventLoop& loop, const Config& config, ProgressHub& hub, WatcherCounts& counts);

  // The channel of that id, sampled just now; `record`: what is known already.
  std::shared_ptr<Channel> watch(std::string_view watch_id, ProgressHub::Ptr record);
  WatcherCounts& counts() { return counts_; }

  // Samples for ever.
  io::Task<> run(std::stop_token stop);

 private:
  io::Milliseconds pause() const;

  io::EventLoop& loop_;
  const Config& config_;
  ProgressHub& hub_;
  WatcherCounts& counts_;
  io::WaitList wake_;
  std::map<std::string, std::weak_ptr<Channel>, std::less<>> channels_;
};

}  // namespace ringdrop::server
