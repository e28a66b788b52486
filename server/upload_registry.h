// Which request has which upload at this moment, over all loops. One writer an upload: a new request takes it over from
// the one that runs, whose bytes are kept. Between two requests the upload's state waits here, so that the next one has
// nothing to read again.
#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "db/upload.h"
#include "io/event_loop.h"
#include "io/task.h"
#include "io/wait_list.h"
#include "proto/digest.h"
#include "server/progress_hub.h"
#include "server/upload_checkpoint.h"
#include "storage/blob_writer.h"

namespace ringdrop::server {

// An upload that no request has at this moment.
struct ParkedUpload {
  db::Upload row;             // as it is in the catalogue but for `progress`
  uint64_t offset_bytes = 0;  // durable
  // Of its first blob.checksums.bytes() bytes, which may be fewer after a restart: the rest must be read once more.
  std::optional<storage::ParkedBlob> blob;
  std::vector<proto::Digester> digesters;  // of its first digested_bytes
  uint64_t digested_bytes = 0;
  std::vector<proto::Digest> expected;  // that must come out in the end
  std::optional<uint64_t> cut_to;       // see UploadCheckpoint
  // When `progress` was last written to the catalogue, and how much of the upload it covered.
  io::TimePoint saved_at{};
  uint64_t saved_bytes = 0;
  io::TimePoint idle_since{};  // when the last request had it
  ProgressHub::Ptr watched;    // for those who watch it
};

// What the catalogue is to keep of it.
UploadCheckpoint checkpoint_of(const ParkedUpload& parked);

class UploadRegistry {
 public:
  // The right to an upload, on one loop. Given back by release() on that loop; the destructor gives it back without a
  // state, and the next owner asks the catalogue.
  class Claim {
   public:
    Claim(Claim&& other) noexcept;
    Claim& operator=(Claim&&) = delete;
    ~Claim();

    const std::string& id_hash() const { return id_hash_; }
    // What the last owner left; once. nullopt: ask the catalogue.
    std::optional<ParkedUpload> take_parked();
    // The next owner may come, and finds `parked`.
    void release(std::optional<ParkedUpload> parked);

   private:
    friend class UploadRegistry;
    struct Owner;
    Claim(UploadRegistry& registry, std::string id_hash, std::unique_ptr<Owner> owner);

    UploadRegistry* registry_;
    std::string id_hash_;
    std::unique_ptr<Owner> owner_;
  };

  // Makes the caller the upload's one owner. A request that has it is cut by its `cut`, and waited for until
  // `deadline`: timed_out. `cut` ends the caller's own connection when it is superseded in turn. Suspends.
  io::Task<io::Result<Claim>> claim(io::EventLoop& loop, std::string id_hash, std::stop_source cut,
                                    io::TimePoint deadline);
  // The same, where nobody has it; nullopt: somebody has.
  std::optional<Claim> try_claim(io::EventLoop& loop, const std::string& id_hash, std::stop_source cut);

  // When it expires, where the catalogue does not know the newest: never, as long as a request has it (by claim()).
  // nullopt: the catalogue knows.
  std::optional<io::EpochMs> expires_at_ms(const std::string& id_hash);
  // Of those that nobody has had since `since`, the ones that hold disk space behind their bytes: at most `most`.
  std::vector<std::string> holding_space(io::TimePoint since, std::size_t most);
  // An unfinished upload is not parked, and may hold space of which nobody here knows. true once after that.
  void lose_track_of_space() { lost_track_.store(true); }
  bool take_lost_track() { return lost_track_.exchange(false); }
  // Everything that is parked, of unfinished uploads: when no request runs any more.
  std::vector<ParkedUpload> take_all_parked();

 private:
  struct Entry {
    Claim::Owner* owner = nullptr;
    std::optional<ParkedUpload> parked;
  };
  // States kept between two requests; above it the catalogue has to be asked.
  static constexpr std::size_t kMostParked = 10'000;

  std::optional<Claim> claim_if_free(io::EventLoop& loop, const std::string& id_hash, const std::stop_source& cut,
                                     bool keeps_it_alive, io::EventLoop*& owner_loop);
  io::Task<bool> cut_owner(io::EventLoop& loop, const std::string& id_hash, io::TimePoint deadline);
  void release(const std::string& id_hash, Claim::Owner& owner, std::optional<ParkedUpload> parked);

  std::atomic<bool> lost_track_{false};
  std::mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace ringdrop::server
