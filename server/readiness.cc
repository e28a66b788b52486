#include "server/readiness.h"

#include <fmt/format.h>

#include <cerrno>

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;
using proto::Rejection;

constexpr io::Milliseconds kLookPause{1'000};

constexpr Rejection kCatalogueFailed{503, "not_ready",
                                     "a write to the catalogue has failed: the server must be restarted"};
constexpr Rejection kCatalogueDamaged{503, "not_ready", "the catalogue is damaged: nothing is written to it any more"};
constexpr Rejection kCatalogueLocked{503, "not_ready", "another process holds the lock of the catalogue"};
constexpr Rejection kCatalogueFull{503, "not_ready", "there is no space for writes to the catalogue"};
constexpr Rejection kCatalogueGone{503, "not_ready", "the catalogue is not there any more"};
constexpr Rejection kSyncFailed{503, "not_ready", "a sync of the storage has failed: the server must be restarted"};
constexpr Rejection kFull{503, "not_ready", "the disk has less free space than min_free_space"};
constexpr Rejection kReadOnly{503, "not_ready", "the data directory is read-only"};
constexpr Rejection kGone{503, "not_ready", "the data directory is not there any more"};
constexpr Rejection kBroken{503, "not_ready", "the data directory takes no file"};

Rejection trouble_of(const io::Error& error) {
  if (error.code == io::Errc::no_space) return kFull;
  if (error.sys_errno == EROFS) return kReadOnly;
  if (error.sys_errno == ENOENT) return kGone;
  return kBroken;
}

std::optional<Rejection> trouble_of(db::CatalogueState state) {
  switch (state) {
    case db::CatalogueState::sound:
      return std::nullopt;
    case db::CatalogueState::locked:
      return kCatalogueLocked;
    case db::CatalogueState::full:
      return kCatalogueFull;
    case db::CatalogueState::gone:
      return kCatalogueGone;
    case db::CatalogueState::damaged:
      return kCatalogueDamaged;
    case db::CatalogueState::failed:
      return kCatalogueFailed;
  }
  return std::nullopt;
}

}  // namespace

Task<std::optional<Rejection>> Readiness::look() {
  const Result<> probed = co_await services_.blobs.probe();
  if (!probed) co_return trouble_of(probed.error());
  co_return std::nullopt;
}

Task<std::optional<Rejection>> Readiness::trouble() {
  if (const std::optional<Rejection> catalogue = trouble_of(services_.catalogue.state())) co_return catalogue;
  if (services_.blobs.failed()) co_return kSyncFailed;
  if (looked_at_ && services_.loop.now() < *looked_at_ + kLookPause) co_return trouble_;
  const std::optional<Rejection> found = co_await look();
  looked_at_ = services_.loop.now();
  if (found && (!trouble_ || trouble_->reason != found->reason)) {
    services_.loop.log().error(fmt::format("not ready: {}", found->reason));
  }
  if (trouble_ && !found) services_.loop.log().info("ready again");
  trouble_ = found;
  co_return trouble_;
}

}  // namespace ringdrop::server
