#include "db/catalogue_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "db/migrations.h"

namespace ringdrop::db {
namespace {

// How far over its bound the log may be before the writer stops to make it start again.
constexpr uint64_t kUrgentFactor = 2;

// The next checkpoint presses when this part of the bound has been committed since the last one.
constexpr uint64_t kPressingPart = 4;

// The checkpoint lane copies what was committed while it copied, and so on, each time less, but not for ever; what is
// left then the writer copies and syncs, if it is no more than this, while commits wait.
constexpr int kMostSteps = 5;
constexpr uint64_t kLittleBytes = 512 * kKiB;

// Of the log, held from the start on: to delete takes commits, and is what helps on a disk without a byte left.
constexpr uint64_t kReservedLogBytes = kMiB;

// The sweeper gives pages back when more than so many are free, and more than one in so many: what comes next takes
// them too. So many at a time, for the uploads that wait behind it.
constexpr int64_t kKeptPages = 1024;
constexpr int64_t kKeptPart = 8;
constexpr int kPagesAtATime = 256;
constexpr int64_t kIncrementalVacuum = 2;  // PRAGMA auto_vacuum

// Reads of one transaction: while it lasts, the log does not start again.
constexpr std::size_t kReadsATime = 16;

// Errors after which one knows what is on disk, so that the next transaction may be tried: of a failed commit the frame
// with its mark was not written.
bool is_harmless(const io::Error& error) {
  return error.code == io::Errc::no_space || error.code == io::Errc::exhausted;
}

// What SQLite calls corrupt. A row of ours that makes no sense is the trouble of its link alone.
bool is_damage(const io::Error& error) {
  return error.code == io::Errc::corrupt && error.sys_errno == EUCLEAN;
}

// What the file, not the request, is to blame for.
bool is_fault(const io::Error& error) {
  return error.code == io::Errc::system || error.code == io::Errc::corrupt;
}

// For the log. SQLite's own words are known here alone; the Error goes on to the caller.
std::string words_of(const Database& database, const io::Error& error) {
  const std::string of_sqlite = database.last_error();
  return of_sqlite.empty() ? io::describe(error) : fmt::format("{}; {}", io::describe(error), of_sqlite);
}

}  // namespace

struct CatalogueFile::Connections {
  Database writer;
  Database reader;
  Database checkpointer;
  std::unique_ptr<LinkNumbers> numbers;
  Savepoint::Statements savepoints;
  Tables writer_tables;
  Tables reader_tables;
  uint64_t page_bytes;
};

io::Result<std::unique_ptr<CatalogueFile>> CatalogueFile::open(const CatalogueOptions& options, io::Log& log) {
  OpenOptions how;
  how.path = options.path;
  how.role = Role::writer;
  how.holds_log_writes = true;
  how.durability = options.durability;
  how.vfs = options.vfs;
  // What the log regularly grows to stays its file's: to write over blocks costs less than to take new ones.
  how.wal_limit_bytes = kUrgentFactor * options.checkpoint_bytes;
  how.busy_timeout_ms = options.busy_timeout_ms;
  auto writer = Database::open(how);
  if (!writer) return std::unexpected(writer.error());
  how.role = Role::checkpointer;
  auto checkpointer = Database::open(how);
  if (!checkpointer) return std::unexpected(checkpointer.error());

  // First of all the log is emptied. A process that ended after a failed sync may have left frames
  // there that the page cache shows and the disk has not; whatever is appended behind them would be
  // lost with them in a power cut. Copied into the main file and synced there, they are sound.
  const io::Result<WalFrames> emptied = checkpointer->checkpoint(CheckpointMode::truncate);
  if (!emptied) {
    if (emptied.error().code != io::Errc::exhausted) return std::unexpected(emptied.error());
    log.warn("catalogue: another process reads it; its write-ahead log could not be emptied");
  }
  const io::Result<bool> migrated = migrate(*writer);
  if (!migrated) {
    if (migrated.error().code != io::Errc::refused) {
      log.error(fmt::format("catalogue: {}", writer->last_error()));
    }
    return std::unexpected(migrated.error());
  }
  auto numbers = LinkNumbers::open(*writer, options.fresh_key);
  if (!numbers) {
    log.error(fmt::format("catalogue: {}", words_of(*writer, numbers.error())));
    return std::unexpected(numbers.error());
  }
  if ((*numbers)->has_replaced_key()) log.warn("catalogue: the key of tokens did not fit; another one was made");
  // What that or a migration has written may be as much as all there is: no commit is to wait until it is copied.
  if (*migrated || (*numbers)->has_replaced_key()) {
    const io::Result<WalFrames> copied = checkpointer->checkpoint(CheckpointMode::truncate);
    if (!copied && !is_harmless(copied.error())) return std::unexpected(copied.error());
  }
  how.role = Role::reader;
  auto reader = Database::open(how);
  if (!reader) return std::unexpected(reader.error());

  auto savepoints = Savepoint::Statements::prepare(*writer);
  if (!savepoints) return std::unexpected(savepoints.error());
  auto writer_tables = Tables::prepare(*writer, **numbers);
  if (!writer_tables) return std::unexpected(writer_tables.error());
  auto reader_tables = Tables::prepare(*reader, **numbers);
  if (!reader_tables) return std::unexpected(reader_tables.error());
  writer->reserve_log(std::min(kReservedLogBytes, options.checkpoint_bytes));
  const io::Result<> settled = writer_tables->links.settle_all_downloads();
  if (!settled) return std::unexpected(settled.error());
  // So far whatever failed was the end. From here on transactions are rolled back, of which VfsLayer does not learn;
  // a batch has what the jobs of the lane's queue bring, each a request's rows or Catalogue::kMostRowsAtATime.
  const io::Result<> kept = writer->keep_changes_until_commit();
  if (!kept) return std::unexpected(kept.error());
  const auto page_bytes = writer->read_int64("PRAGMA page_size", "read the page size");
  if (!page_bytes) return std::unexpected(page_bytes.error());

  Connections connections{
      *std::move(writer),     *std::move(reader),        *std::move(checkpointer),  *std::move(numbers),
      *std::move(savepoints), *std::move(writer_tables), *std::move(reader_tables), static_cast<uint64_t>(*page_bytes)};
  return std::unique_ptr<CatalogueFile>(new CatalogueFile(std::move(connections), options.checkpoint_bytes, log));
}

CatalogueFile::CatalogueFile(Connections connections, uint64_t checkpoint_bytes, io::Log& log)
    : log_(log),
      writer_(std::move(connections.writer)),
      reader_(std::move(connections.reader)),
      checkpointer_(std::move(connections.checkpointer)),
      numbers_(std::move(connections.numbers)),
      savepoints_(std::move(connections.savepoints)),
      writer_tables_(std::move(connections.writer_tables)),
      reader_tables_(std::move(connections.reader_tables)),
      page_bytes_(connections.page_bytes),
      checkpoint_bytes_(checkpoint_bytes),
      urgent_bytes_(kUrgentFactor * checkpoint_bytes) {
  writer_.report_wal_frames(wal_frames_);
}

CatalogueFile::~CatalogueFile() {
  // So that a stopped server leaves all in the one file. When it fails, the next start has the log.
  // After failed() nothing more is written to a disk that has just lost something, nor to a damaged file.
  if (state() < CatalogueState::damaged) static_cast<void>(checkpointer_.checkpoint(CheckpointMode::passive));
}

void WriteJob::run() noexcept {
  outcome_ = file_.write_one(*this);
}

void CatalogueFile::run_all(std::span<io::Job* const> jobs) noexcept {
  const io::Result<> written = write_all(jobs);
  if (written) return;
  for (io::Job* const job : jobs) static_cast<WriteJob*>(job)->refuse(written.error());
}

void CatalogueFile::Reads::run_all(std::span<io::Job* const> jobs) noexcept {
  // After some errors SQLite has ended it already. What could not be ended, for want of memory, is before the next
  // reads.
  const auto end_transaction = [this] {
    if (reader_.in_transaction()) static_cast<void>(reader_.execute("ROLLBACK", "end to read"));
  };
  while (!jobs.empty()) {
    const auto some = jobs.first(std::min(jobs.size(), kReadsATime));
    jobs = jobs.subspan(some.size());
    end_transaction();
    // Where none can be begun each read has its own, and its own trouble.
    if (some.size() > 1) static_cast<void>(reader_.execute("BEGIN", "begin to read"));
    for (io::Job* const job : some) job->run();
  }
  end_transaction();
}

// Nothing has been written when it fails.
io::Result<Transaction> CatalogueFile::begin() {
  probed_ = false;
  finish_checkpoint();
  if (failed()) return io::fail(io::Errc::system, "catalogue stopped after a failed commit");
  if (state() == CatalogueState::damaged) return io::fail(io::Errc::corrupt, "catalogue stopped, it is damaged");
  if (writer_.has_moved()) {
    if (worsen(CatalogueState::gone)) log_.error("catalogue: its file is not there any more: nothing is written");
    return io::fail(io::Errc::system, "write to the catalogue", ENOENT);
  }
  if (mend(CatalogueState::gone)) log_.info("catalogue: its file is there again");
  io::Result<Transaction> begun = Transaction::begin(writer_);
  if (begun) {
    if (mend(CatalogueState::locked)) {
      log_.info("catalogue: nobody else holds its lock any more");
      // What was so before the lock is not over with it: the probe finds out.
      if (std::exchange(full_before_lock_, false)) worsen(CatalogueState::full);
    }
  } else if (begun.error().sys_errno == EBUSY) {
    const bool was_full = state() == CatalogueState::full;
    if (worsen(CatalogueState::locked)) {
      full_before_lock_ = was_full;
      log_.warn("catalogue: another process holds its lock: nothing can be written until it lets go");
    }
  } else if (is_damage(begun.error())) {
    note(writer_, begun.error());
  } else if (!is_harmless(begun.error())) {
    note_unsafe(writer_, begun.error());
  }
  return begun;
}

io::Result<> CatalogueFile::write_all(std::span<io::Job* const> jobs) {
  io::Result<> state;
  io::Result<Transaction> transaction = begin();
  if (!transaction) state = std::unexpected(transaction.error());
  // Without a transaction run() does nothing; but each is called once, as io::Batch promises.
  for (io::Job* const job : jobs) {
    job->run();
    // Disk full and I/O errors make SQLite undo the whole transaction, what the jobs before have
    // written too; nor is any of it written to a file that turns out to be damaged.
    const io::Result<>& outcome = static_cast<WriteJob*>(job)->outcome();
    if (state && !outcome && (!writer_.in_transaction() || is_damage(outcome.error()))) state = outcome;
  }
  if (state) {
    state = transaction->commit();
    if (!state && !is_harmless(state.error())) note_unsafe(writer_, state.error());
  }
  if (state) {
    commits_.fetch_add(1, std::memory_order_relaxed);
    if (probed_ && mend(CatalogueState::full)) log_.info("catalogue: there is space for its writes again");
  } else if (transaction && state.error().code == io::Errc::no_space) {
    transaction->roll_back();
    make_room();
  }
  return state;
}

io::Result<> CatalogueFile::probe() {
  if (state() != CatalogueState::full) return {};
  const io::Result<> written = writer_.rewrite_header();
  probed_ = written.has_value();
  return written;
}

io::Result<bool> CatalogueFile::give_back_pages() {
  static constexpr const char* kOp = "give pages back";
  const io::Result<int64_t> free = writer_.read_int64("PRAGMA freelist_count", kOp);
  if (!free) return std::unexpected(free.error());
  if (*free <= kKeptPages) return false;
  const io::Result<int64_t> mode = writer_.read_int64("PRAGMA auto_vacuum", kOp);
  if (!mode) return std::unexpected(mode.error());
  const io::Result<int64_t> all = writer_.read_int64("PRAGMA page_count", kOp);
  if (!all) return std::unexpected(all.error());
  if (*mode != kIncrementalVacuum || *free <= *all / kKeptPart) return false;
  const io::Result<> given = writer_.execute(fmt::format("PRAGMA incremental_vacuum({})", kPagesAtATime).c_str(), kOp);
  if (!given) return std::unexpected(given.error());
  return true;
}

// The log starts again from its beginning when all of it has been copied: then the next transactions need no space of
// the disk but what the log has. What fails here fails as before.
void CatalogueFile::make_room() {
  if (worsen(CatalogueState::full)) log_.error("catalogue: the disk has no space for its writes");
  const CheckpointClaim claimed = claim();
  if (claimed && state() < CatalogueState::damaged) static_cast<void>(checkpoint_by(writer_));
}

io::Result<> CatalogueFile::write_one(WriteJob& job) {
  if (!writer_.in_transaction()) return io::fail(io::Errc::system, "write without a transaction");
  io::Result<Savepoint> savepoint = Savepoint::begin(writer_, savepoints_);
  if (!savepoint) return std::unexpected(savepoint.error());
  io::Result<> written = job.write(writer_tables_);
  if (written) return savepoint->keep();
  note(writer_, written.error());
  return written;
}

io::Result<bool> CatalogueFile::checkpoint() {
  little_is_left_.store(false);
  uint64_t copied_before = 0;
  for (int step = 0; step < kMostSteps; ++step) {
    // Between two steps the writer may have lost something, or a reader met a damaged page.
    if (state() >= CatalogueState::damaged) return false;
    // Nor is the writer kept from what is urgent.
    if (step > 0 && wal_bytes() > urgent_bytes_.load()) return true;
    const io::Result<Copied> copied = checkpoint_by(checkpointer_);
    if (!copied) return std::unexpected(copied.error());
    if (copied->how_much == HowMuch::nothing && step == 0) return false;
    if (copied->how_much != HowMuch::part) return true;
    const io::Result<> synced = checkpointer_.sync_main_file();
    if (!synced) {
      note_unsafe(checkpointer_, synced.error());
      return std::unexpected(synced.error());
    }
    const uint64_t all = wal_frames_.load();
    if (all < copied->frames) return true;  // it has started again, or a commit is just telling how long it is
    little_is_left_.store(wal_bytes_of(all - copied->frames, page_bytes_) <= kLittleBytes);
    // Or somebody reads what is older than the rest.
    if (little_is_left_.load() || copied->frames == copied_before) return true;
    copied_before = copied->frames;
  }
  return true;
}

// Passive: it waits for nobody and keeps nobody waiting, but for the moment in which the log starts again.
io::Result<CatalogueFile::Copied> CatalogueFile::checkpoint_by(Database& database) {
  const io::Result<WalFrames> frames = database.checkpoint(CheckpointMode::passive);
  if (!frames) {
    tried_frames_.store(wal_frames_.load());
    // Busy: SQLite met the writer just as it changed the log's index, or another process makes a checkpoint.
    if (frames.error().code == io::Errc::exhausted) return Copied{HowMuch::nothing};
    if (!is_harmless(frames.error())) note_unsafe(database, frames.error());
    return std::unexpected(frames.error());
  }
  // All copied: the next commit starts the log again from its beginning (unless somebody still
  // reads from it; then its frames count again). A commit meanwhile has stored another number.
  uint64_t covered = frames->in_log;
  const bool starts_again = frames->checkpointed == frames->in_log && wal_frames_.compare_exchange_strong(covered, 0);
  tried_frames_.store(wal_frames_.load());
  // Also of a log that another process, or a commit which has not told of itself yet, has let start again.
  if (wal_bytes() <= kUrgentFactor * checkpoint_bytes_) urgent_bytes_.store(kUrgentFactor * checkpoint_bytes_);
  return starts_again ? Copied{HowMuch::all} : Copied{HowMuch::part, frames->checkpointed};
}

bool CatalogueFile::is_checkpoint_due() const {
  return state() < CatalogueState::damaged && wal_bytes() > checkpoint_bytes_;
}

CheckpointClaim CatalogueFile::claim() {
  return CheckpointClaim(checkpointing_.exchange(true) ? nullptr : &checkpointing_);
}

CheckpointClaim CatalogueFile::claim_checkpoint() {
  return is_checkpoint_due() ? claim() : nullptr;
}

bool CatalogueFile::is_checkpoint_pressing() const {
  if (!is_checkpoint_due() || checkpointing_.load()) return false;
  const uint64_t bytes = wal_bytes();
  const uint64_t tried = wal_bytes_of(tried_frames_.load(), page_bytes_);
  // A log that is shorter than it was then has started again.
  return tried > bytes || bytes - tried > checkpoint_bytes_ / kPressingPart;
}

// The log starts again only after a checkpoint without a commit in between. While commits follow each
// other without a pause the checkpoint lane never gets there, and the log would grow for ever: so
// the writer itself copies the rest when it is little, or when the log is too long.
void CatalogueFile::finish_checkpoint() {
  if (!little_is_left_.load() && wal_bytes() <= urgent_bytes_.load()) return;
  const CheckpointClaim claimed = claim();
  // The lane may have failed just before it let go.
  if (!claimed || state() >= CatalogueState::damaged) return;
  little_is_left_.store(false);
  // Its failure makes failed() true, or the log goes on growing: the batch needs no other answer.
  static_cast<void>(checkpoint_by(writer_));
  // Where somebody reads from the log for long (a backup), not again at every batch.
  urgent_bytes_.store(std::max(kUrgentFactor * checkpoint_bytes_, wal_bytes() + checkpoint_bytes_));
}

uint64_t CatalogueFile::wal_bytes() const {
  return wal_bytes_of(wal_frames_.load(), page_bytes_);
}

void CatalogueFile::note(const Database& database, const io::Error& error) {
  if (!is_fault(error)) return;
  if (is_damage(error) && worsen(CatalogueState::damaged)) {
    log_.error("catalogue: it is damaged: nothing is written to it until the next start; ringdrop fsck tells more");
  }
  log_.error(fmt::format("catalogue: {}", words_of(database, error)));
}

void CatalogueFile::note_unsafe(const Database& database, const io::Error& error) {
  log_.error(fmt::format("catalogue: {}; no more writes until the next start", words_of(database, error)));
  worsen(CatalogueState::failed);
}

// Whether it is news. What lasts until the next start is not taken back by what does not.
bool CatalogueFile::worsen(CatalogueState state) {
  CatalogueState known = state_.load();
  while (known != state && (known < CatalogueState::damaged || known < state)) {
    if (state_.compare_exchange_weak(known, state)) return true;
  }
  return false;
}

// Whether the file was in that state, which is over.
bool CatalogueFile::mend(CatalogueState from) {
  return state_.compare_exchange_strong(from, CatalogueState::sound);
}

}  // namespace ringdrop::db
