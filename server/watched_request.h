// The progress of an upload that lives and ends with its request, for who knows its Watch-Id: a plain one, a
// concatenation. What has not come to an end by then has broken off.
#pragma once

#include <atomic>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "io/task.h"
#include "server/exchange.h"
#include "server/services.h"
#include "server/upload_append.h"
#include "server/upload_commit.h"

namespace ringdrop::server {

// The record of a new upload under the name that its client has chosen. 409 watch_id_in_use: one that is known has it;
// a plain one that has failed is not. Suspends.
io::Task<std::expected<ProgressHub::Ptr, proto::Rejection>> announce_chosen(const Services& services,
                                                                            const std::string& watch_id);

class WatchedRequest {
 public:
  explicit WatchedRequest(const Services& services) : services_(services) {}
  ~WatchedRequest();
  WatchedRequest(const WatchedRequest&) = delete;
  WatchedRequest& operator=(const WatchedRequest&) = delete;

  // Makes it known under `watch_id`; nothing is to be watched when that is "". `total` bytes, when they are known.
  // 409 watch_id_in_use. Suspends.
  io::Task<std::optional<proto::Rejection>> announce(const std::string& watch_id, std::optional<uint64_t> total);

  // For BlobWriter::report_to(); nullptr: nothing is to be watched.
  std::atomic<uint64_t>* counter() { return record_ ? &record_->bytes_stored() : nullptr; }
  // All bytes are there.
  void finishing();
  void complete(const std::vector<CreatedLink>& links);
  void fail(const AppendEnd& end);
  void fail(const proto::Rejection& why);

 private:
  const Services& services_;
  ProgressHub::Ptr record_;
};

// {base}/watch/{id}: where an upload is watched.
std::string watch_url(const Exchange& exchange, const std::string& watch_id);

}  // namespace ringdrop::server
