#include "db/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "base/check.h"

namespace ringdrop::db {
namespace {

// The page cache of one connection (PRAGMA cache_size counts negative values in KiB).
constexpr uint64_t kCacheBytes = 16 * kMiB;
constexpr uint64_t kWalHeaderBytes = 32;
constexpr uint64_t kWalFrameHeaderBytes = 24;

// The errno of the last failed call on the write-ahead log or the main file; 0 when there was none
// or the VFS does not say.
int errno_of_files(sqlite3* connection) {
  sqlite3_file* files[2] = {};
  sqlite3_file_control(connection, "main", SQLITE_FCNTL_JOURNAL_POINTER, &files[0]);
  sqlite3_file_control(connection, "main", SQLITE_FCNTL_FILE_POINTER, &files[1]);
  for (sqlite3_file* const file : files) {
    int sys_errno = 0;
    if (file == nullptr || file->pMethods == nullptr) continue;
    file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &sys_errno);
    if (sys_errno != 0) return sys_errno;
  }
  return 0;
}

io::Error last_failure(sqlite3* connection, const char* op) {
  const int code = sqlite3_extended_errcode(connection);
  int sys_errno = sqlite3_system_errno(connection);
  // SQLite 3.40 does not note the errno of a failed COMMIT or checkpoint on the connection, and makes SQLITE_CORRUPT of
  // a read that failed with EIO. Its files remember the last errno: a disk that has failed once is blamed for what is
  // found corrupt later.
  const int primary = code & 0xff;
  if ((primary == SQLITE_IOERR || primary == SQLITE_CORRUPT) && sys_errno == 0) sys_errno = errno_of_files(connection);
  return error_from_sqlite(code, sys_errno, op);
}

// Nobody asks SQLite how much memory it has; to know it, each allocation takes a lock. For the first connection of the
// process, before SQLite is used.
void keep_no_statistics() {
  [[maybe_unused]] static const int done = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

// No byte pointer of ours is null: SQLite would bind NULL instead of an empty value.
const char* pointer_to(std::string_view bytes) {
  return bytes.empty() ? "" : bytes.data();
}

}  // namespace

io::Error error_from_sqlite(int extended_code, int sys_errno, const char* op) {
  const bool no_space = sys_errno == ENOSPC || sys_errno == EDQUOT || sys_errno == EFBIG;
  switch (extended_code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return {io::Errc::exists, 0, op};
    // The kernel reports a lost write once, then forgets it. Even ENOSPC here (delayed allocation)
    // means that bytes which seemed to be written are not.
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_DIR_FSYNC:
    // The log's index grows behind the sync of a commit: the transaction is there, whatever the errno.
    case SQLITE_IOERR_SHMSIZE:
    case SQLITE_IOERR_SHMMAP:
      return {io::Errc::system, sys_errno, op};
    case SQLITE_IOERR_NOMEM:
      return {io::Errc::exhausted, 0, op};
    default:
      break;
  }
  switch (extended_code & 0xff) {
    case SQLITE_FULL:
      return {io::Errc::no_space, ENOSPC, op};
    case SQLITE_CORRUPT:
      if (sys_errno == EIO) return {io::Errc::system, sys_errno, op};
      [[fallthrough]];
    case SQLITE_NOTADB:
      return {io::Errc::corrupt, EUCLEAN, op};
    case SQLITE_CONSTRAINT:
      return {io::Errc::refused, 0, op};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {io::Errc::exhausted, EBUSY, op};
    case SQLITE_NOMEM:
      return {io::Errc::exhausted, 0, op};
    case SQLITE_IOERR:
      return {no_space ? io::Errc::no_space : io::Errc::system, sys_errno, op};
    case SQLITE_CANTOPEN:
      if (sys_errno == EMFILE || sys_errno == ENFILE) return {io::Errc::exhausted, sys_errno, op};
      return {no_space ? io::Errc::no_space : io::Errc::system, sys_errno, op};
    default:
      return {io::Errc::system, 0, op};
  }
}

uint64_t wal_bytes_of(uint64_t frames, uint64_t page_bytes) {
  return frames == 0 ? 0 : kWalHeaderBytes + frames * (kWalFrameHeaderBytes + page_bytes);
}

void Database::Close::operator()(sqlite3* connection) const {
  // With a statement left SQLite would keep the connection, and the layer goes now.
  CHECK_THAT(sqlite3_close(connection) == SQLITE_OK);
}

io::Result<Database> Database::open(const OpenOptions& options) {
  keep_no_statistics();
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  switch (options.role) {
    case Role::writer:
    case Role::copy:
      flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
      break;
    case Role::reader:
      flags |= SQLITE_OPEN_READONLY;
      break;
    case Role::checkpointer:
      flags |= SQLITE_OPEN_READWRITE;
      break;
  }
  // Debian's SQLite takes a name that begins with "file:" for a URI.
  const std::string path = options.path.starts_with("file:") ? "./" + options.path : options.path;
  std::unique_ptr<VfsLayer> layer;
  if (options.durability == Durability::full) {
    if (options.role == Role::writer && options.holds_log_writes) {
      layer = VfsLayer::over(options.vfs, VfsLayer::Kind::log_writes);
    }
    if (options.role == Role::checkpointer) layer = VfsLayer::over(options.vfs, VfsLayer::Kind::main_file_syncs);
  }
  const std::string vfs = layer ? layer->name() : options.vfs;
  sqlite3* connection = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &connection, flags, vfs.empty() ? nullptr : vfs.c_str());
  if (connection == nullptr) return io::fail(io::Errc::exhausted, "open the catalogue");
  Database database(connection, std::move(layer));  // a failed open leaves a connection to close, too
  if (code != SQLITE_OK) {
    return std::unexpected(last_failure(connection, "open the catalogue"));
  }
  const io::Result<> configured = database.configure(options);
  if (!configured) return std::unexpected(configured.error());
  return database;
}

io::Result<> Database::configure(const OpenOptions& options) {
  static constexpr const char* kOp = "set up the catalogue's connection";
  sqlite3_busy_timeout(connection_.get(), options.busy_timeout_ms);
  syncs_ = options.durability == Durability::full;
  const bool is_copy = options.role == Role::copy;
  sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, is_copy ? 0 : 1, nullptr);
  // temp_store: the journal of savepoints stays in memory; nothing is written outside the data
  // directory. mmap_size 0: an I/O error is an error code, not a SIGBUS. trusted_schema,
  // cell_size_check: a damaged or forged file is noticed early.
  const std::string pragmas = fmt::format(
      "PRAGMA foreign_keys=OFF; PRAGMA mmap_size=0; PRAGMA cell_size_check=ON;"
      "PRAGMA trusted_schema=OFF; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-{};"
      "PRAGMA synchronous={};",
      kCacheBytes / kKiB, options.durability == Durability::full ? "FULL" : "OFF");
  io::Result<> done = execute(pragmas.c_str(), kOp);
  if (!done || options.role == Role::reader) return done;

  if (options.role == Role::writer) {
    // What is deleted is written over where that costs no write of its own: the bytes of a removed file are not either.
    done = execute("PRAGMA secure_delete=FAST", kOp);
    if (!done) return done;
    const io::Result<int64_t> pages = read_int64("PRAGMA page_count", kOp);
    if (!pages) return std::unexpected(pages.error());
    // Of a new file alone, and before anything else: it is a write. Free pages can be given back to the disk.
    if (*pages == 0) done = execute("PRAGMA auto_vacuum=INCREMENTAL", kOp);
    if (!done) return done;
    done = use_wal();
    if (!done) return done;
  }
  // Checkpoints are the checkpointer's: a commit never waits for one.
  return execute(
      fmt::format("PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit={}", options.wal_limit_bytes).c_str(), kOp);
}

io::Result<> Database::use_wal() {
  static constexpr const char* kOp = "set WAL mode";
  io::Result<Statement> statement = Statement::prepare(*this, "PRAGMA journal_mode=WAL", kOp);
  if (!statement) return std::unexpected(statement.error());
  Statement::Use use = statement->use();
  const io::Result<bool> row = use.step();
  if (!row) return std::unexpected(row.error());
  // Where WAL is impossible (no shared memory) SQLite keeps the old mode and calls it a success.
  if (!*row || use.column_text(0) != "wal") return io::fail(io::Errc::system, kOp);
  return {};
}

io::Result<> Database::execute(const char* sql, const char* op) {
  if (sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return std::unexpected(last_failure(connection_.get(), op));
}

io::Result<int64_t> Database::read_int64(const char* sql, const char* op) {
  io::Result<Statement> statement = Statement::prepare(*this, sql, op);
  if (!statement) return std::unexpected(statement.error());
  Statement::Use use = statement->use();
  const io::Result<bool> row = use.step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return io::fail(io::Errc::corrupt, op);
  return use.column(0);
}

void Database::reserve_log(uint64_t bytes) {
  sqlite3_file* log = nullptr;
  sqlite3_file_control(connection_.get(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  if (log == nullptr || log->pMethods == nullptr) return;
  // Only with a chunk size is space taken, and not for what comes later.
  auto chunk = static_cast<int>(bytes);
  log->pMethods->xFileControl(log, SQLITE_FCNTL_CHUNK_SIZE, &chunk);
  auto size = static_cast<sqlite3_int64>(bytes);
  log->pMethods->xFileControl(log, SQLITE_FCNTL_SIZE_HINT, &size);
  chunk = 0;
  log->pMethods->xFileControl(log, SQLITE_FCNTL_CHUNK_SIZE, &chunk);
}

io::Result<> Database::keep_changes_until_commit() {
  return execute("PRAGMA cache_spill=OFF", "set up the catalogue's connection");
}

io::Result<> Database::rewrite_header() {
  static constexpr const char* kOp = "rewrite the catalogue's header";
  const io::Result<int64_t> version = read_int64("PRAGMA user_version", kOp);
  if (!version) return std::unexpected(version.error());
  return execute(fmt::format("PRAGMA user_version={}", *version).c_str(), kOp);
}

bool Database::has_moved() const {
  int moved = 0;
  const int code = sqlite3_file_control(connection_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return code == SQLITE_OK && moved != 0;
}

bool Database::in_transaction() const {
  return sqlite3_get_autocommit(connection_.get()) == 0;
}

io::Result<WalFrames> Database::checkpoint(CheckpointMode mode) {
  int in_log = 0;
  int checkpointed = 0;
  const int code = sqlite3_wal_checkpoint_v2(
      connection_.get(), "main",
      mode == CheckpointMode::passive ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_TRUNCATE, &in_log, &checkpointed);
  if (code != SQLITE_OK) return std::unexpected(last_failure(connection_.get(), "checkpoint"));
  // -1: not in WAL mode.
  if (in_log < 0 || checkpointed < 0) return io::fail(io::Errc::system, "checkpoint");
  return WalFrames{static_cast<uint64_t>(in_log), static_cast<uint64_t>(checkpointed)};
}

io::Result<> Database::sync_main_file() {
  static constexpr const char* kOp = "sync the catalogue";
  if (!syncs_) return {};
  sqlite3_file* file = nullptr;
  int code = sqlite3_file_control(connection_.get(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (code == SQLITE_OK) code = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
  if (code == SQLITE_OK) return {};
  return std::unexpected(error_from_sqlite(code, errno_of_files(connection_.get()), kOp));
}

io::Result<> Database::copy_to(Database& copy, const std::function<bool()>& between) {
  static constexpr const char* kOp = "copy the catalogue";
  static constexpr int kPagesAStep = 1024;
  // With a read transaction of our own all steps see the same moment; without one each commit of another connection
  // would make the copy begin again.
  const io::Result<> begun = execute("BEGIN; SELECT count(*) FROM sqlite_schema", kOp);
  if (!begun) return begun;
  io::Result<> copied;
  sqlite3_backup* const backup = sqlite3_backup_init(copy.connection_.get(), "main", connection_.get(), "main");
  if (backup == nullptr) {
    copied = std::unexpected(last_failure(copy.connection_.get(), kOp));
  } else {
    int code = SQLITE_OK;
    while (code == SQLITE_OK) {
      if (!between()) copied = io::fail(io::Errc::cancelled, kOp);
      if (!copied) break;
      code = sqlite3_backup_step(backup, kPagesAStep);
    }
    const int finished = sqlite3_backup_finish(backup);
    if (copied && code != SQLITE_DONE) copied = std::unexpected(error_from_sqlite(code, 0, kOp));
    if (copied && finished != SQLITE_OK) copied = std::unexpected(last_failure(copy.connection_.get(), kOp));
  }
  static_cast<void>(execute("ROLLBACK", kOp));
  return copied;
}

void Database::report_wal_frames(std::atomic<uint64_t>& frames) {
  const auto store = [](void* where, sqlite3*, const char*, int in_log) {
    static_cast<std::atomic<uint64_t>*>(where)->store(static_cast<uint64_t>(in_log));
    return SQLITE_OK;
  };
  sqlite3_wal_hook(connection_.get(), store, &frames);
}

std::string Database::last_error() const {
  sqlite3* const connection = connection_.get();
  if (sqlite3_errcode(connection) == SQLITE_OK) return {};
  return fmt::format("SQLite code {}: {}", sqlite3_extended_errcode(connection), sqlite3_errmsg(connection));
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

io::Result<Statement> Statement::prepare(Database& database, const char* sql, const char* op) {
  sqlite3* const connection = database.connection_.get();
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(connection, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return std::unexpected(last_failure(connection, op));
  return Statement(statement, op);
}

Statement::Use Statement::use() {
  return Use(*this);
}

Statement::Use::Use(Statement& statement) : statement_(statement.statement_.get()), op_(statement.op_) {
  CHECK_THAT(sqlite3_stmt_busy(statement_) == 0);
}

Statement::Use::~Use() {
  // Repeats the error of the last step(), which was reported there.
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void Statement::Use::note(int code) {
  if (bind_code_ == SQLITE_OK) bind_code_ = code;
}

Statement::Use& Statement::Use::bind(int parameter, int64_t value) {
  note(sqlite3_bind_int64(statement_, parameter, value));
  return *this;
}

Statement::Use& Statement::Use::bind_text(int parameter, std::string_view text) {
  // A null destructor is SQLITE_STATIC: the bytes are not copied.
  note(sqlite3_bind_text64(statement_, parameter, pointer_to(text), text.size(), nullptr, SQLITE_UTF8));
  return *this;
}

Statement::Use& Statement::Use::bind_blob(int parameter, std::string_view bytes) {
  note(sqlite3_bind_blob64(statement_, parameter, pointer_to(bytes), bytes.size(), nullptr));
  return *this;
}

io::Result<bool> Statement::Use::step() {
  if (bind_code_ != SQLITE_OK) return std::unexpected(error_from_sqlite(bind_code_, 0, op_));
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return std::unexpected(last_failure(sqlite3_db_handle(statement_), op_));
}

io::Result<> Statement::Use::run() {
  const io::Result<bool> row = step();
  if (!row) return std::unexpected(row.error());
  CHECK_THAT(!*row);
  return {};
}

uint64_t Statement::Use::updated_rows() const {
  return static_cast<uint64_t>(sqlite3_changes64(sqlite3_db_handle(statement_)));
}

std::optional<int64_t> Statement::Use::column_or_null(int index) const {
  if (sqlite3_column_type(statement_, index) == SQLITE_NULL) return std::nullopt;
  return column(index);
}

int64_t Statement::Use::column(int index) const {
  return sqlite3_column_int64(statement_, index);
}

std::string_view Statement::Use::column_blob(int index) const {
  // For text too: unlike sqlite3_column_text this never allocates, so it cannot fail. An empty
  // value is a null pointer.
  const void* const bytes = sqlite3_column_blob(statement_, index);
  const int length = sqlite3_column_bytes(statement_, index);
  if (bytes == nullptr) return {};
  return {static_cast<const char*>(bytes), static_cast<std::size_t>(length)};
}

}  // namespace ringdrop::db
