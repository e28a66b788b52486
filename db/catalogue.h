// The catalogue: which links exist and which files on disk they are made of. The only way to the
// database for the rest of the program, and used by all loops at once.
//
// Writes go to the writer lane and share transactions; lookups go to the reader lane and never wait
// for a commit; checkpoints have a lane of their own. It does not touch the files it names.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "db/catalogue_file.h"
#include "db/link.h"
#include "db/link_versions.h"
#include "db/upload.h"
#include "io/error.h"
#include "io/event_loop.h"
#include "io/task.h"
#include "io/worker.h"

namespace ringdrop::db {

// How uploads end together.
struct UploadEnds {
  struct End {
    Upload upload;
    FileFate fate = FileFate::garbage;
  };
  std::vector<End> ends;
  std::vector<Upload> inserts;  // that are complete from the first: a concatenation
  std::vector<Link> links;
};

// All coroutines suspend, come back on the loop they were called with, take no stop and no deadline
// (what was handed to a lane is awaited), and may fail with
//   exhausted: the lane's queue is full, or another process locks the file; nothing was done;
//   corrupt, system: the file is damaged or cannot be read or written.
// What is passed by reference or as a view lives until the call has ended.
class Catalogue {
 public:
  // Uploads wait behind a transaction, and each page that it changes stays in memory until its commit.
  static constexpr std::size_t kMostRowsAtATime = 500;

  // Each lane has one thread; `writer` has `file` as its batch, `reader` file.reads(), `checkpointer` none. All outlive
  // the catalogue; the lanes end before the file.
  Catalogue(CatalogueFile& file, io::Lane& writer, io::Lane& reader, io::Lane& checkpointer)
      : file_(file), writer_lane_(writer), reader_lane_(reader), checkpoint_lane_(checkpointer) {}
  Catalogue(const Catalogue&) = delete;
  Catalogue& operator=(const Catalogue&) = delete;

  // Success: the links are durable, and every find() that begins now sees them. All of them or none.
  // exists: a token or one of the files is taken. no_space.
  // When failed() is true after an error, the links may be there, whole, after the next start: the
  // caller leaves their files alone, and recovery decides.
  io::Task<io::Result<>> insert(io::EventLoop& loop, std::span<const Link> links);
  io::Task<io::Result<>> insert(io::EventLoop& loop, const Link& link) { return insert(loop, std::span(&link, 1)); }

  // A token for a new link, from the ring's strong random bytes (link_numbers.h). Any thread; does not wait.
  std::string make_token(io::Ring& ring) { return file_.numbers().make_token(ring); }

  // nullopt: no such link, or it has expired by `now_ms`, or is used up.
  io::Task<io::Result<std::optional<Link>>> find(io::EventLoop& loop, std::string_view token, io::EpochMs now_ms);

  // What a find() that begins now finds is true for as long as this is the same, but for the count of downloads; and
  // until it expires. Any thread.
  uint64_t version_of(std::string_view token) const { return versions_.of(token); }

  // For the sweeper: success: durably gone, and its files are garbage(); false: it has not ended by
  // `now_ms`, or there is none. no_space. Somebody who deletes a link lets it expire: set_expiry().
  io::Task<io::Result<bool>> remove_ended(io::EventLoop& loop, std::string_view token, io::EpochMs now_ms);

  // nullopt: it never expires. false: there is no such link, or it has ended. no_space.
  io::Task<io::Result<bool>> set_expiry(io::EventLoop& loop, std::string_view token,
                                        std::optional<io::EpochMs> expires_at_ms, io::EpochMs now_ms);

  // One of the downloads that a limited link has left is taken, durably, before its last piece is
  // sent; false: none is left. Afterwards settle_download() tells how it went: it counts, or is given
  // back. What is not settled when the process ends counts. no_space.
  io::Task<io::Result<bool>> take_download(io::EventLoop& loop, std::string_view token);
  io::Task<io::Result<>> settle_download(io::EventLoop& loop, std::string_view token, bool completed);
  // Adds to the counts of unlimited links, of at most kMostRowsAtATime. no_space.
  io::Task<io::Result<>> count_downloads(io::EventLoop& loop, std::span<const DownloadCount> counts);

  // For the sweeper. Links that have ended by `now_ms`, and files that no link names any more: at
  // most `most` of them. A file is forgotten when it is durably gone. no_space.
  io::Task<io::Result<std::vector<std::string>>> ended(io::EventLoop& loop, io::EpochMs now_ms, uint64_t most);
  io::Task<io::Result<std::vector<uint64_t>>> garbage(io::EventLoop& loop, uint64_t most);
  io::Task<io::Result<>> forget_garbage(io::EventLoop& loop, const std::vector<uint64_t>& files);

  // For the sweeper: some of what removed contents have left in the file is given back to the disk, when it is much;
  // true: there is more. no_space.
  io::Task<io::Result<bool>> give_back_pages(io::EventLoop& loop);

  // An upload that has an id is known from its creation on: success: durably so. exists: the id or the
  // watch id is known already. no_space.
  io::Task<io::Result<>> insert_upload(io::EventLoop& loop, const Upload& upload);
  io::Task<io::Result<std::optional<Upload>>> find_upload(io::EventLoop& loop, std::string_view id_hash);
  // By its watch id.
  io::Task<io::Result<std::optional<Upload>>> find_watched(io::EventLoop& loop, std::string_view watch);
  // Of open ones, at most kMostRowsAtATime: length, expiry and progress, all in one transaction. no_space.
  io::Task<io::Result<>> save_uploads(io::EventLoop& loop, std::span<const Upload> uploads);
  io::Task<io::Result<>> save_upload(io::EventLoop& loop, const Upload& upload) {
    return save_uploads(loop, std::span(&upload, 1));
  }
  // Uploads end and become links, all in one transaction: durably, when it succeeds. refused: one of
  // them had ended before; then nothing is changed. exists, no_space; failed() as with insert().
  io::Task<io::Result<>> end_uploads(io::EventLoop& loop, const UploadEnds& change);
  // Unfinished ones by their files, ascending from `first_file` on.
  io::Task<io::Result<std::vector<OpenUpload>>> open_uploads(io::EventLoop& loop, uint64_t first_file, uint64_t most);
  // For the sweeper: open ones that have expired, ended ones to be forgotten; by id_hash.
  io::Task<io::Result<std::vector<std::string>>> due_uploads(io::EventLoop& loop, io::EpochMs now_ms, uint64_t most);
  // Open ones, by id_hash, those first that expire first.
  io::Task<io::Result<std::vector<std::string>>> oldest_open_uploads(io::EventLoop& loop, uint64_t most);
  // no_space.
  io::Task<io::Result<>> forget_upload(io::EventLoop& loop, std::string_view id_hash);

  // Those of the numbers from `first` to `last`, both included, that are a file of any link or upload;
  // ascending. Memory in proportion to their number.
  io::Task<io::Result<std::vector<uint64_t>>> files_between(io::EventLoop& loop, uint64_t first, uint64_t last);

  // Makes a checkpoint when the write-ahead log has outgrown its bound and none is being made; never
  // two at a time, so it may be called after every write, from any loop.
  // For a task of its own after a write: nobody's answer should wait for it. true: one was made.
  // no_space.
  io::Task<io::Result<bool>> checkpoint_if_due(io::EventLoop& loop);

  // Whether it would make one, and the log has grown by a part of its bound since the last one: then the next
  // second is too late. Any thread; does not wait.
  bool is_checkpoint_pressing() const { return file_.is_checkpoint_pressing(); }

  // Whether contents may be inserted for now, or their files had better be on the disk: false while somebody reads for
  // long (fsck, a backup's beginning) and the write-ahead log grows by what is committed. Any thread.
  bool has_room_for_content() const { return file_.has_room_for_content(); }

  // A write that changes nothing: state() knows afterwards whether the file is still, or not any more, locked or full.
  // no_space.
  io::Task<io::Result<>> probe(io::EventLoop& loop);

  // Any thread; see CatalogueFile.
  bool failed() const { return file_.failed(); }
  CatalogueState state() const { return file_.state(); }
  uint64_t wal_bytes() const { return file_.wal_bytes(); }
  uint64_t commits() const { return file_.commits(); }

 private:
  CatalogueFile& file_;
  io::Lane& writer_lane_;
  io::Lane& reader_lane_;
  io::Lane& checkpoint_lane_;
  LinkVersions versions_;
};

}  // namespace ringdrop::db
