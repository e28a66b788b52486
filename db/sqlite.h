// SQLite as the catalogue uses it: a connection and prepared statements. Thin wrappers; blocking calls,
// for worker lanes and for start only.
//
// A connection is opened without a mutex: it and its statements are used by one thread at a time.
// Not here: what the tables are (migrations, link_table) and who runs when (catalogue_file).
// https://www.sqlite.org/c3ref/intro.html
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "db/vfs_layer.h"
#include "io/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace ringdrop::db {

// What a commit survives: a power cut (synchronous=FULL), or only the death of this process
// (synchronous=OFF: nothing is ever synced).
enum class Durability : uint8_t { full, process };

// writer: creates the file when there is none, sets WAL mode. reader: opened read-only.
// checkpointer: read and write, for checkpoint() and sync_main_file() alone. copy: creates the file, and when the
// connection closes, all is in that one file again.
enum class Role : uint8_t { writer, reader, checkpointer, copy };

// passive: copies what it can while others read and write. truncate: waits for them (at most the
// busy timeout) and empties the log; for start only.
enum class CheckpointMode : uint8_t { passive, truncate };

// How long a call waits for another connection's lock. Our own three never meet for long: this is
// for a person with the sqlite3 shell.
inline constexpr int kBusyTimeoutMs = 5000;

struct OpenOptions {
  std::string path;
  Role role = Role::reader;
  Durability durability = Durability::full;
  std::string vfs;  // a registered sqlite3_vfs; empty: the default one
  // writer only, with Durability::full: VfsLayer::log_writes. For who gives up where anything fails, or has called
  // keep_changes_until_commit().
  bool holds_log_writes = false;
  // The log's file is cut down to this when it starts again from its beginning. writer only.
  uint64_t wal_limit_bytes = 0;
  int busy_timeout_ms = kBusyTimeoutMs;
};

struct WalFrames {
  uint64_t in_log = 0;
  uint64_t checkpointed = 0;  // of these, how many are in the main file
};

// One connection. Closing it never writes: what is in the log stays there; its statements are gone before. Results
// carry the Errc of error_from_sqlite() below; their `op` is the literal that was passed in.
class Database {
 public:
  // not a database, or a damaged one: corrupt. The file cannot be opened, or WAL mode is refused:
  // system.
  static io::Result<Database> open(const OpenOptions& options);

  // Runs all statements of `sql`; rows are dropped.
  io::Result<> execute(const char* sql, const char* op);
  // The first column of the first row. corrupt when there is no row.
  io::Result<int64_t> read_int64(const char* sql, const char* op);
  // Makes the log's file at least so large, so that as much can be committed on a full disk; as far as there is space.
  void reserve_log(uint64_t bytes);
  // From now on a changed page stays in memory until its commit, and nothing is written by a transaction that is rolled
  // back. For transactions of a bounded size.
  io::Result<> keep_changes_until_commit();
  // In a transaction: writes a page that stays as it is, so that one learns whether writes go through.
  io::Result<> rewrite_header();
  // The file is not under its path any more: it was removed or renamed, and nobody would find what is written to it.
  bool has_moved() const;
  // False as well after SQLite has rolled back by itself (disk full, I/O error).
  bool in_transaction() const;
  io::Result<WalFrames> checkpoint(CheckpointMode mode);
  // What was copied into the main file is on the disk when it returns; SQLite itself syncs it only when all of the log
  // was copied. Nothing without Durability::full.
  io::Result<> sync_main_file();
  // Makes `copy`, which is empty, what this file is at this moment: durable when it returns. Writers are never kept
  // waiting; but the log cannot start again before the end. `between` is asked every few MiB: false ends it. cancelled,
  // no_space.
  io::Result<> copy_to(Database& copy, const std::function<bool()>& between);
  // From now on every commit stores the number of frames in the log, on the committing thread.
  // `frames` outlives the connection. Bytes in the log: wal_bytes_of().
  void report_wal_frames(std::atomic<uint64_t>& frames);

  // What SQLite has to say about the last call, for the log: empty if it failed without SQLite (sync_main_file()).
  std::string last_error() const;

 private:
  friend class Statement;
  struct Close {
    void operator()(sqlite3* connection) const;
    std::unique_ptr<VfsLayer> layer;  // null: none; goes after the connection
  };
  Database(sqlite3* connection, std::unique_ptr<VfsLayer> layer) : connection_(connection, {std::move(layer)}) {}

  io::Result<> configure(const OpenOptions& options);
  io::Result<> use_wal();

  std::unique_ptr<sqlite3, Close> connection_;
  bool syncs_ = true;
};

// A prepared statement, run by way of use(). Goes before its Database.
class Statement {
 public:
  // To be assigned to before its use.
  Statement() = default;
  // `sql` is one statement.
  static io::Result<Statement> prepare(Database& database, const char* sql, const char* op);

  class Use;
  // One run. The runs of one statement do not overlap.
  Use use();

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  Statement(sqlite3_stmt* statement, const char* op) : statement_(statement), op_(op) {}

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  const char* op_ = nullptr;
};

// Bind, step, read columns; when it goes the statement is reset and its bindings are cleared, so
// that no read transaction and no pointer of ours is left behind.
class Statement::Use {
 public:
  explicit Use(Statement& statement);
  ~Use();
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  // Parameters are counted from 1. Bytes stay alive as long as this does. A failure is reported by
  // step(). What is not bound is NULL.
  Use& bind(int parameter, int64_t value);
  Use& bind(int parameter, std::optional<int64_t> value) { return value ? bind(parameter, *value) : *this; }
  Use& bind_text(int parameter, std::string_view text);
  Use& bind_blob(int parameter, std::string_view bytes);

  // true: there is a row; false: done.
  io::Result<bool> step();
  // step() for a statement without rows.
  io::Result<> run();
  // Right after a run() that succeeded, and before any other statement of the connection: how many rows an UPDATE has
  // found. For RETURNING, which would tell it too, SQLite makes a table.
  uint64_t updated_rows() const;

  // Columns are counted from 0. Views live until the next step().
  int64_t column(int index) const;
  std::optional<int64_t> column_or_null(int index) const;
  std::string_view column_text(int index) const { return column_blob(index); }
  std::string_view column_blob(int index) const;

 private:
  void note(int code);

  sqlite3_stmt* statement_;
  const char* op_;
  int bind_code_ = 0;
};

// SQLITE_FULL, or a write refused for ENOSPC, EDQUOT, EFBIG: no_space. CORRUPT, NOTADB: corrupt, but
// for a read that failed with EIO. BUSY, LOCKED (with EBUSY), NOMEM, no descriptor left: exhausted. A UNIQUE or
// PRIMARY KEY in the way: exists; another constraint: refused. All else, and whatever its errno every failed sync, and
// what comes behind the one of a commit: system (where that is memory: Transaction::commit() makes it so). Never
// not_found: that a file of the catalogue is missing must not look like an unknown link.
io::Error error_from_sqlite(int extended_code, int sys_errno, const char* op);

// Bytes of a log of so many frames (https://www.sqlite.org/fileformat2.html#walformat).
uint64_t wal_bytes_of(uint64_t frames, uint64_t page_bytes);

}  // namespace ringdrop::db
