#include "server/upload_registry.h"

#include <utility>

#include "base/check.h"
#include "io/on_loop.h"

namespace ringdrop::server {

UploadCheckpoint checkpoint_of(const ParkedUpload& parked) {
  UploadCheckpoint made;
  if (parked.blob) made.whole_spans = parked.blob->checksums.whole_spans();
  made.durable_bytes = parked.offset_bytes;
  made.digested_bytes = parked.digested_bytes;
  for (const proto::Digester& digester : parked.digesters) {
    made.digests.emplace_back(digester.algorithm(), digester.save());
  }
  made.expected = parked.expected;
  made.cut_to = parked.cut_to;
  return made;
}

// Lives on its loop; others reach it by a task there.
struct UploadRegistry::Claim::Owner {
  explicit Owner(io::EventLoop& its_loop)
      : loop(its_loop), released(its_loop, "who has waited for an upload that another request had") {}

  io::EventLoop& loop;
  std::stop_source cut;
  io::WaitList released;
  std::optional<ParkedUpload> inherited;
  std::optional<io::EpochMs> expires_at_ms;  // as UploadRegistry::expires_at_ms() tells it
};

UploadRegistry::Claim::Claim(UploadRegistry& registry, std::string id_hash, std::unique_ptr<Owner> owner)
    : registry_(&registry), id_hash_(std::move(id_hash)), owner_(std::move(owner)) {}

UploadRegistry::Claim::Claim(Claim&& other) noexcept = default;

UploadRegistry::Claim::~Claim() {
  if (owner_) release(std::nullopt);
}

std::optional<ParkedUpload> UploadRegistry::Claim::take_parked() {
  CHECK_THAT(owner_ != nullptr);
  return std::exchange(owner_->inherited, std::nullopt);
}

void UploadRegistry::Claim::release(std::optional<ParkedUpload> parked) {
  CHECK_THAT(owner_ != nullptr);
  registry_->release(id_hash_, *owner_, std::move(parked));
  owner_.reset();
}

io::Task<io::Result<UploadRegistry::Claim>> UploadRegistry::claim(io::EventLoop& loop, std::string id_hash,
                                                                  std::stop_source cut, io::TimePoint deadline) {
  for (;;) {
    io::EventLoop* owner_loop = nullptr;
    std::optional<Claim> claimed = claim_if_free(loop, id_hash, cut, true, owner_loop);
    if (claimed) co_return std::move(*claimed);
    if (loop.now() >= deadline) co_return io::fail(io::Errc::timed_out, "claim");
    io::Task<bool> cutting = cut_owner(*owner_loop, id_hash, deadline);
    const bool over = co_await io::run_on_loop(loop, *owner_loop, std::move(cutting));
    if (!over) co_return io::fail(io::Errc::timed_out, "claim");
  }
}

std::optional<UploadRegistry::Claim> UploadRegistry::try_claim(io::EventLoop& loop, const std::string& id_hash,
                                                               std::stop_source cut) {
  io::EventLoop* owner_loop = nullptr;
  return claim_if_free(loop, id_hash, cut, false, owner_loop);
}

std::optional<UploadRegistry::Claim> UploadRegistry::claim_if_free(io::EventLoop& loop, const std::string& id_hash,
                                                                   const std::stop_source& cut, bool keeps_it_alive,
                                                                   io::EventLoop*& owner_loop) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[id_hash];
  if (entry.owner) {
    owner_loop = &entry.owner->loop;
    return std::nullopt;
  }
  auto owner = std::make_unique<Claim::Owner>(loop);
  owner->cut = cut;
  owner->inherited = std::exchange(entry.parked, std::nullopt);
  if (owner->inherited) owner->expires_at_ms = owner->inherited->row.expires_at_ms;
  if (keeps_it_alive) owner->expires_at_ms = INT64_MAX;
  entry.owner = owner.get();
  return Claim(*this, id_hash, std::move(owner));
}

std::optional<io::EpochMs> UploadRegistry::expires_at_ms(const std::string& id_hash) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id_hash);
  if (found == entries_.end()) return std::nullopt;
  if (found->second.owner) return found->second.owner->expires_at_ms;
  return found->second.parked ? std::optional(found->second.parked->row.expires_at_ms) : std::nullopt;
}

std::vector<std::string> UploadRegistry::holding_space(io::TimePoint since, std::size_t most) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> found;
  for (const auto& [id_hash, entry] : entries_) {
    if (found.size() == most) break;
    const std::optional<ParkedUpload>& parked = entry.parked;
    if (parked && parked->blob && parked->blob->reserved_bytes > parked->offset_bytes && parked->idle_since <= since)
      found.push_back(id_hash);
  }
  return found;
}

std::vector<ParkedUpload> UploadRegistry::take_all_parked() {
  const std::lock_guard lock(mutex_);
  std::vector<ParkedUpload> all;
  for (auto& [id_hash, entry] : entries_) {
    if (entry.parked) all.push_back(std::move(*entry.parked));
    entry.parked.reset();
  }
  return all;
}

// On the owner's loop, where it cannot go away in between. true: that owner has it no more.
io::Task<bool> UploadRegistry::cut_owner(io::EventLoop& loop, const std::string& id_hash, io::TimePoint deadline) {
  Claim::Owner* owner = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id_hash);
    if (found != entries_.end()) owner = found->second.owner;
  }
  if (!owner || &owner->loop != &loop) co_return true;
  owner->cut.request_stop();
  const std::stop_token no_stop;
  const io::Result<> waited = co_await owner->released.wait(deadline, no_stop);
  co_return waited.has_value();
}

void UploadRegistry::release(const std::string& id_hash, Claim::Owner& owner, std::optional<ParkedUpload> parked) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id_hash);
    CHECK_THAT(found != entries_.end() && found->second.owner == &owner);
    found->second.owner = nullptr;
    if (parked && entries_.size() <= kMostParked) {
      found->second.parked = std::move(parked);
    } else {
      if (parked) lose_track_of_space();
      entries_.erase(found);
    }
  }
  owner.released.wake_all();
}

}  // namespace ringdrop::server
