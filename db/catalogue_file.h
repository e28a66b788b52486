// The catalogue's file on disk: three connections, one for each lane of Catalogue, and the group
// commit. All writes that wait for the writer lane become one transaction, so that many finished
// uploads share one sync.
//
// Blocking throughout: open() at start, the rest on the lanes' threads. Coroutines use Catalogue.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"
#include "db/link_numbers.h"
#include "db/sqlite.h"
#include "db/tables.h"
#include "db/transaction.h"
#include "io/error.h"
#include "io/log.h"
#include "io/worker.h"

namespace ringdrop::db {

struct CatalogueOptions {
  std::string path;  // the directory exists and nobody else writes the file
  Durability durability = Durability::full;
  std::string vfs;  // a registered sqlite3_vfs; empty: the default one
  // A checkpoint is due when the write-ahead log holds more, and urgent at twice as much: the writer makes it then,
  // while commits wait, as soon as the lane is not at it. Bounds its size on disk, but for who reads for long, and how
  // long a start after a crash takes. Less is more work: a page that is written again and again is copied once a
  // checkpoint.
  uint64_t checkpoint_bytes = 16 * kMiB;
  int busy_timeout_ms = kBusyTimeoutMs;  // for the lock of another process
  LinkNumbers::Key fresh_key{};          // strong random bytes, for a file that has no key yet
};

class CatalogueFile;

// What is known of the file, from what has been done with it. The later ones last until the next start.
enum class CatalogueState : uint8_t {
  sound,
  locked,   // another process kept its lock for longer than the busy timeout: a write failed for that
  full,     // there was no space for a write
  gone,     // the file was removed or renamed: nothing is written, for nobody would find it
  damaged,  // a page that was read is not what it should be: what is readable is read, nothing is written any more
  failed,   // see CatalogueFile::failed()
};

// A write of one batch. A failure of its own leaves the others of the batch alone; a failure of the
// transaction becomes the failure of each.
class WriteJob : public io::Job {
 public:
  explicit WriteJob(CatalogueFile& file) : file_(file) {}

  // On the writer's thread, called by CatalogueFile::run_all. Does nothing when the batch has
  // failed already.
  void run() noexcept final;
  // Whatever run() brought is not in the catalogue.
  void refuse(const io::Error& error) { outcome_ = std::unexpected(error); }

 protected:
  ~WriteJob() = default;
  // The work. What it changed before it failed is undone.
  virtual io::Result<> write(Tables& tables) = 0;
  // Valid once the job has completed.
  const io::Result<>& outcome() const { return outcome_; }

 private:
  friend class CatalogueFile;
  CatalogueFile& file_;
  io::Result<> outcome_;
};

// Who holds one makes a checkpoint, and nobody else; goes before the file.
struct ReleaseCheckpoint {
  void operator()(std::atomic<bool>* claimed) const { claimed->store(false); }
};
using CheckpointClaim = std::unique_ptr<std::atomic<bool>, ReleaseCheckpoint>;

class CatalogueFile final : public io::Batch {
 public:
  // The reader lane's batch: some of the reads that wait for it are made in one transaction each time, for its
  // beginning and its end cost as much as half a lookup.
  class Reads final : public io::Batch {
   public:
    explicit Reads(Database& reader) : reader_(reader) {}
    void run_all(std::span<io::Job* const> jobs) noexcept override;

   private:
    Database& reader_;
  };

  // Opens or makes the file, brings it up to date and empties its write-ahead log; may block for
  // seconds after a crash. refused: it was written by a newer version of the program. corrupt,
  // no_space, exhausted, system. `log` outlives the file.
  static io::Result<std::unique_ptr<CatalogueFile>> open(const CatalogueOptions& options, io::Log& log);
  // The lanes are gone before. Copies the write-ahead log into the main file where that is safe.
  ~CatalogueFile();
  CatalogueFile(const CatalogueFile&) = delete;
  CatalogueFile& operator=(const CatalogueFile&) = delete;

  // The writer lane's batch; its jobs are WriteJobs and nothing else. When it returns, the
  // transaction is durable (as far as Durability says), or every job carries the error.
  void run_all(std::span<io::Job* const> jobs) noexcept override;

  io::Batch& reads() { return reads_; }

  // Any thread.
  LinkNumbers& numbers() { return *numbers_; }

  // A job's of reads(): calls `read(Tables&)`, which returns an io::Result, and logs what is wrong with the file.
  template <class Read>
  auto read(Read read) {
    auto result = read(reader_tables_);
    if (!result) note(reader_, result.error());
    return result;
  }

  // A write job's: gives some free pages back to the disk when there are many; true: there are still. A file that was
  // made before this was possible keeps them, for what comes next.
  io::Result<bool> give_back_pages();

  // The checkpoint lane's, with a claim: copies committed pages into the main file and syncs it while others go on,
  // also what is committed meanwhile, until little is left, which the writer copies; or it is urgent, or there is no
  // end of it, or somebody reads what is older than the rest. false: it cannot be done at this moment. system, corrupt:
  // failed() from now on. no_space.
  io::Result<bool> checkpoint();

  // A write job's: whatever it takes to learn that the file is not locked or full any more. A transaction alone says
  // the one, and a written page, if it was full, the other.
  io::Result<> probe();

  // Any thread: the right to make the checkpoint that is due, until the claim goes. Null: none is due, or somebody
  // makes one.
  CheckpointClaim claim_checkpoint();
  // Any thread: the same, and so much was committed since the last one that it should not be put off.
  bool is_checkpoint_pressing() const;
  // Any thread: false while somebody who reads for long keeps the log from starting again.
  bool has_room_for_content() const { return wal_bytes() < kContentFactor * checkpoint_bytes_; }

  // Any thread.
  // True for ever after a commit or a checkpoint has failed in a way that leaves open what is on
  // disk (an I/O error, above all a failed sync, which is never tried twice). All writes fail from
  // then on. The process should stop: the next start recovers from the write-ahead log.
  bool failed() const { return state() == CatalogueState::failed; }
  CatalogueState state() const { return state_.load(std::memory_order_acquire); }
  // Bytes of the write-ahead log that no checkpoint is known to have covered.
  uint64_t wal_bytes() const;
  // Transactions committed since open().
  uint64_t commits() const { return commits_.load(std::memory_order_relaxed); }

 private:
  friend class WriteJob;
  struct Connections;
  // How far over its bound the log may be for the bytes of files to be added to it.
  static constexpr uint64_t kContentFactor = 4;
  CatalogueFile(Connections connections, uint64_t checkpoint_bytes, io::Log& log);

  io::Result<> write_all(std::span<io::Job* const> jobs);
  io::Result<Transaction> begin();
  io::Result<> write_one(WriteJob& job);
  enum class HowMuch : uint8_t { nothing, part, all };
  // Of the log.
  struct Copied {
    HowMuch how_much;
    uint64_t frames = 0;  // when it is a part: so many from the beginning on
  };
  io::Result<Copied> checkpoint_by(Database& database);
  CheckpointClaim claim();
  void finish_checkpoint();
  void make_room();
  void note(const Database& database, const io::Error& error);
  void note_unsafe(const Database& database, const io::Error& error);
  bool is_checkpoint_due() const;
  bool worsen(CatalogueState state);
  bool mend(CatalogueState from);

  io::Log& log_;
  // What the connections report into.
  std::atomic<uint64_t> wal_frames_{0};
  // How long the log was after the last checkpoint, or after the one that failed.
  std::atomic<uint64_t> tried_frames_{0};
  std::atomic<uint64_t> commits_{0};
  std::atomic<CatalogueState> state_{CatalogueState::sound};
  std::atomic<bool> checkpointing_{false};
  // The last checkpoint has copied all but what the writer copies soon.
  std::atomic<bool> little_is_left_{false};
  // The writer's thread only.
  bool probed_ = false;  // in this transaction
  bool full_before_lock_ = false;

  Database writer_;
  Database reader_;
  Database checkpointer_;
  Reads reads_{reader_};
  std::unique_ptr<LinkNumbers> numbers_;
  Savepoint::Statements savepoints_;  // of the writer
  Tables writer_tables_;
  Tables reader_tables_;
  const uint64_t page_bytes_;
  const uint64_t checkpoint_bytes_;
  // At least kUrgentFactor * checkpoint_bytes_. Changed by who has the claim.
  std::atomic<uint64_t> urgent_bytes_;
};

}  // namespace ringdrop::db
