// Downloads of limited links that are under way, over all loops: their rows and files stay until they have finished,
// though the link has ended meanwhile.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace ringdrop::server {

class RunningDownloads {
 public:
  // One download, for as long as this lives. Any thread; so is has().
  class Guard {
   public:
    Guard(RunningDownloads& all, std::string token) : all_(all), token_(std::move(token)) { all_.add(token_); }
    ~Guard() { all_.remove(token_); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    RunningDownloads& all_;
    std::string token_;
  };

  bool has(std::string_view token) {
    const std::lock_guard lock(mutex_);
    return running_.find(token) != running_.end();
  }

 private:
  void add(const std::string& token) {
    const std::lock_guard lock(mutex_);
    ++running_[token];
  }
  void remove(const std::string& token) {
    const std::lock_guard lock(mutex_);
    const auto found = running_.find(token);
    if (--found->second == 0) running_.erase(found);
  }

  std::mutex mutex_;
  std::map<std::string, unsigned, std::less<>> running_;
};

}  // namespace ringdrop::server
