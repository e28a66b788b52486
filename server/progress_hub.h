// The progress records of the whole server, by watch id. A record lives as long as somebody holds it: the request that
// runs, the state of an upload between two requests, a watcher; and, once it has ended, as long as its upload is known.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "io/clock.h"
#include "server/progress.h"

namespace ringdrop::server {

// Any thread. Outlives the records.
class ProgressHub {
 public:
  using Ptr = std::shared_ptr<ProgressRecord>;

  ProgressHub() = default;
  ProgressHub(const ProgressHub&) = delete;
  ProgressHub& operator=(const ProgressHub&) = delete;
  ~ProgressHub();

  // A new one; nullptr: the id is in use. That of one that has failed is free again.
  Ptr announce(std::string_view watch_id);
  // The one of that id, made when there is none.
  Ptr open(std::string_view watch_id);
  // nullptr: nobody holds one.
  Ptr find(std::string_view watch_id);
  // It has ended: watchers who come late find it until `until`, and among the kMostEnded last ones.
  void keep(Ptr ended, io::TimePoint until);
  // Lets go of those that need not be found any more.
  void forget_ended(io::TimePoint now);

 private:
  static constexpr std::size_t kMostEnded = 10'000;

  Ptr make(std::string_view watch_id);  // under the mutex
  void forget(ProgressRecord* record);

  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<ProgressRecord>, std::less<>> records_;
  struct Ended {
    Ptr record;
    io::TimePoint until;
  };
  std::deque<Ended> ended_;  // each is kept for as long as the others: in the order of `until`
};

}  // namespace ringdrop::server
