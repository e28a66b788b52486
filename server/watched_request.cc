#include "server/watched_request.h"

#include <fmt/format.h>

#include "server/http_error.h"

namespace ringdrop::server {

io::Task<std::expected<ProgressHub::Ptr, proto::Rejection>> announce_chosen(const Services& services,
                                                                            const std::string& watch_id) {
  const auto known = co_await services.catalogue.find_watched(services.loop, watch_id);
  if (!known) co_return std::unexpected(rejection_for(known.error()));
  ProgressHub::Ptr record = *known ? nullptr : services.progress.announce(watch_id);
  if (!record) co_return std::unexpected(errors::kWatchIdInUse);
  co_return std::move(record);
}

WatchedRequest::~WatchedRequest() {
  if (!record_) return;
  record_->fail("broken_off");  // unless it has ended
  services_.progress.keep(std::move(record_), services_.loop.now() + services_.config.finished_upload_ttl);
}

io::Task<std::optional<proto::Rejection>> WatchedRequest::announce(const std::string& watch_id,
                                                                   std::optional<uint64_t> total) {
  if (watch_id.empty()) co_return std::nullopt;
  auto chosen = co_await announce_chosen(services_, watch_id);
  if (!chosen) co_return chosen.error();
  record_ = std::move(*chosen);
  record_->set_total(total);
  record_->set_state(ProgressState::receiving);
  co_return std::nullopt;
}

void WatchedRequest::finishing() {
  if (record_) record_->set_state(ProgressState::finishing);
}

void WatchedRequest::complete(const std::vector<CreatedLink>& links) {
  if (!record_) return;
  // What was held until now is written with the rows.
  uint64_t bytes = 0;
  for (const CreatedLink& one : links) bytes += one.link.size_bytes;
  record_->bytes_stored().store(bytes, std::memory_order_relaxed);
  record_->complete(&links.front().link);
}

void WatchedRequest::fail(const AppendEnd& end) {
  if (end.kind == AppendEnd::Kind::refused) fail(end.why);
  if (end.kind == AppendEnd::Kind::store_failed) fail(rejection_for(end.error));
}

void WatchedRequest::fail(const proto::Rejection& why) {
  if (!record_) return;
  for (const proto::Rejection& known : {errors::kDigestMismatch, errors::kSizeLimit, errors::kNoSpace}) {
    if (why.code == known.code) record_->fail(known.code);
  }
}

std::string watch_url(const Exchange& exchange, const std::string& watch_id) {
  return fmt::format("{}/watch/{}", exchange.base_url(), watch_id);
}

}  // namespace ringdrop::server
