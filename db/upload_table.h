// The table `uploads` over one connection: the SQL of unfinished and lately ended uploads, and nothing about threads or
// transactions. Writes are made inside a Savepoint of a Transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/sqlite.h"
#include "db/upload.h"
#include "io/error.h"

namespace ringdrop::db {

// What becomes of an upload's file when the upload ends.
enum class FileFate : uint8_t {
  garbage,  // nobody needs it
  moved,    // a link's extent in the same transaction
  kept,     // the upload goes on owning it: a part that waits for its concatenation
};

// Blocking, on the connection's thread. Every function: system, corrupt, exhausted as in sqlite.h; those that write:
// no_space.
class UploadTable {
 public:
  // Prepares the statements. The database is migrated and outlives the table.
  static io::Result<UploadTable> prepare(Database& database);

  // exists: the id is known, or the watch id is.
  io::Result<> insert(const Upload& upload);
  io::Result<std::optional<Upload>> find(std::string_view id_hash);
  io::Result<std::optional<Upload>> find_watched(std::string_view watch);
  // Of an open one: what is known of its bytes, its length once that is known, and how long it is kept.
  io::Result<> save_progress(const Upload& upload);
  // It ends, in any state but `open`. false: it had ended before; but what is complete can still be cancelled or used.
  io::Result<bool> end(const Upload& upload, FileFate fate);
  // Open ones that have expired and ended ones that may be forgotten, by id_hash; at most `most`.
  io::Result<std::vector<std::string>> due(io::EpochMs now_ms, uint64_t most);
  // It is unknown from now on; a file that it still owns becomes garbage.
  io::Result<> forget(std::string_view id_hash);
  // Unfinished ones by their files, ascending from `first_file` on; at most `most`.
  io::Result<std::vector<OpenUpload>> open_uploads(uint64_t first_file, uint64_t most);
  // Unfinished ones, those first that expire first, by id_hash; at most `most`.
  io::Result<std::vector<std::string>> oldest_open(uint64_t most);
  // Those in [first, last] that an upload owns, ascending.
  io::Result<std::vector<uint64_t>> files_between(uint64_t first, uint64_t last);

 private:
  struct Statements {
    Statement insert;
    Statement find;
    Statement find_watched;
    Statement save_progress;
    Statement make_garbage;
    Statement end;
    Statement drop_file;
    Statement due;
    Statement forget;
    Statement open_uploads;
    Statement oldest_open;
    Statement files_between;
  };
  struct Sql;
  static const Sql kSql[];
  explicit UploadTable(Statements statements) : statements_(std::move(statements)) {}

  Statements statements_;
};

}  // namespace ringdrop::db
