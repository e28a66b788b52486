// An upload that has an id, whatever protocol it is spoken to by: created, gone on with, completed, cancelled. What it
// holds of the upload it holds alone (UploadRegistry); what it has told a client is durable.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/upload.h"
#include "io/task.h"
#include "server/exchange.h"
#include "server/http_error.h"
#include "server/incoming_file.h"
#include "server/services.h"
#include "server/upload_append.h"
#include "server/upload_checkpoint.h"
#include "server/upload_commit.h"
#include "server/upload_id.h"
#include "server/upload_options.h"
#include "server/upload_registry.h"
#include "server/upload_standing.h"

namespace ringdrop::server {

// What a creation says.
struct UploadCreation {
  std::string id;        // is_upload_id()
  std::string watch_id;  // the same; "": it follows from the id
  std::optional<uint64_t> length;
  FileMeta meta;
  std::string metadata;  // Upload-Metadata as sent
  std::string concat;    // Upload-Concat as sent; "" or "partial"
  UploadOptions options;
  DigestPlan digests;
};

// What an append asks for beyond its bytes.
struct AppendWishes {
  // All or nothing: the bytes count only when they have these digests; or the one of Upload-Checksum behind the body.
  std::vector<proto::Digest> checksums;
  bool checksum_in_trailer = false;
  proto::Rejection mismatch = errors::kDigestMismatch;  // what they are refused with
  // Called now and then while the body comes, with the offset that is durable by then. Suspends.
  std::function<io::Task<>(uint64_t)> on_durable{};

  bool all_or_nothing() const { return checksum_in_trailer || !checksums.empty(); }
};

class UploadResource {
 public:
  // All suspend. Rejections are what the client is to hear; the log knows the rest.
  template <class T>
  using Outcome = std::expected<T, proto::Rejection>;
  using Ptr = std::unique_ptr<UploadResource>;

  // Makes it: file and row are durable. 409 when the id is known.
  static io::Task<Outcome<Ptr>> create(const Services& services, UploadCreation creation, std::stop_source cut);
  // Takes it over from the request that has it, if one has. 404: unknown. 503: it could not be had in time. Also for
  // one that has ended: see row().state.
  static io::Task<Outcome<Ptr>> open(const Services& services, std::string id, std::stop_source cut);
  const std::string& id() const { return id_; }
  const db::Upload& row() const { return parked_.row; }
  bool is_open() const { return row().state == db::UploadState::open; }
  // All bytes are there, and it is not complete: a crash came between the last one and its end.
  bool lacks_only_its_end() const { return is_open() && length() == offset_bytes(); }
  // Durable bytes.
  uint64_t offset_bytes() const { return parked_.offset_bytes; }
  const std::optional<uint64_t>& length() const { return row().length; }
  // It is known from now on; durable with the next park() or complete().
  void set_length(uint64_t length) {
    length_is_new_ = length_is_new_ || parked_.row.length != length;
    parked_.row.length = length;
    parked_.watched->set_total(length);
  }
  // An open one is kept from its last use on.
  io::EpochMs expires_at_ms() const {
    return is_open() ? services_.loop.epoch_ms() + services_.config.upload_expires.count() : row().expires_at_ms;
  }
  const std::string& watch_id() const { return watch_id_; }

  // Appends the body as far as it comes; then everything that came is durable and counted, whatever ended it; with
  // checksums: all of it or nothing. Precondition: is_open().
  io::Task<AppendEnd> append(http::BodyReader& body, AppendWishes wishes, const std::stop_token& stop);

  // All bytes are there: it becomes a link (a partial one: it waits for its concatenation, and there is none). 503:
  // `stop` came while bytes were read that no digest covered yet; nothing has changed.
  io::Task<Outcome<std::optional<CreatedLink>>> complete(const std::stop_token& stop);
  // The link that a complete one became; nullopt: a partial one, or the link has ended.
  io::Task<std::optional<CreatedLink>> find_link();
  // With `link`, which complete() or find_link() has given.
  UploadStanding standing(std::optional<CreatedLink> link) const;

  // Ends it: cancelled, or failed for `reason`; its link, if it has become one, is deleted too.
  io::Task<Outcome<void>> cancel(db::UploadState state, std::string reason);
  // Gives it back: the next request goes on. Of the row only its numbers may be asked for afterwards.
  io::Task<> park();

 private:
  // What is known of the bytes that count, to go back to when an append that is all or nothing fails.
  struct Covered {
    storage::Checksums checksums;
    std::vector<proto::Digester> digesters;
  };

  UploadResource(const Services& services, std::string id, UploadRegistry::Claim claim);

  io::Task<Outcome<void>> load();
  bool has_expired() const;
  io::Task<Outcome<void>> expire();
  io::Task<io::Result<>> load_bytes();
  io::Task<io::Result<>> catch_up(const std::stop_token& stop);
  io::Task<io::Result<>> read_again(StreamDigest& digest, uint64_t& digested, const std::stop_token& stop);
  io::Task<AppendEnd> append_checked(http::BodyReader& body, AppendWishes wishes, const std::stop_token& stop);
  io::Task<AppendEnd> append_with(http::BodyReader& body, StreamDigest* checked, const AppendWishes& wishes,
                                  const std::stop_token& stop);
  io::Task<io::Result<uint64_t>> checkpoint(storage::BlobWriter& writer, const StreamDigest& digest);
  Covered covered() const;
  io::Task<io::Result<>> cut_back(Covered before);
  void restart_digests(const std::vector<proto::DigestAlgorithm>& algorithms);
  AppendEnd give_up(const io::Error& error);
  void slide_expiry();
  io::Task<io::Result<>> save();
  bool is_noted() const;
  void show_offset();
  void keep_watched();  // it has ended: watchers who come late find it
  void give_up_state();
  void release(std::optional<ParkedUpload> parked);
  uint64_t limit_bytes() const;

  const Services& services_;
  std::string id_;
  std::string watch_id_;
  UploadRegistry::Claim claim_;
  ParkedUpload parked_;
  bool length_is_new_ = false;
  bool released_ = false;
};

// The link `token` that the upload `id` became; nullopt: there is none, or not any more. Suspends.
io::Task<std::optional<CreatedLink>> find_link_of(const Services& services, const std::string& token,
                                                  std::string_view id);

}  // namespace ringdrop::server
