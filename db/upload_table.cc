#include "db/upload_table.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"

namespace ringdrop::db {
namespace {

constexpr auto kMostInteger = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());

std::optional<int64_t> to_integer(std::optional<uint64_t> value) {
  if (!value) return std::nullopt;
  CHECK_THAT(*value <= kMostInteger);
  return static_cast<int64_t>(*value);
}

std::optional<uint64_t> to_unsigned(std::optional<int64_t> value) {
  return value ? std::optional<uint64_t>(static_cast<uint64_t>(*value)) : std::nullopt;
}

// The first column of all rows.
io::Result<std::vector<std::string>> first_blobs(Statement::Use& use) {
  std::vector<std::string> blobs;
  while (true) {
    const io::Result<bool> row = use.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return blobs;
    blobs.emplace_back(use.column_blob(0));
  }
}

}  // namespace

struct UploadTable::Sql {
  Statement Statements::* member;
  const char* sql;
  const char* op;
};

const UploadTable::Sql UploadTable::kSql[] = {
    {&Statements::insert,
     "INSERT INTO uploads (id_hash, state, file, length, created_at_ms, expires_at_ms, name, content_type, metadata,"
     " concat, options, progress, token, reason, watch)"
     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
     "insert an upload"},
    {&Statements::find,
     "SELECT state, file, length, created_at_ms, expires_at_ms, name, content_type, metadata, concat, options,"
     " progress, token, reason, watch FROM uploads WHERE id_hash = ?1",
     "find an upload"},
    {&Statements::find_watched, "SELECT id_hash FROM uploads WHERE watch = ?1 AND watch != ''", "find an upload"},
    {&Statements::save_progress,
     "UPDATE uploads SET length = ?2, expires_at_ms = ?3, progress = ?4 WHERE id_hash = ?1 AND state = 0",
     "save an upload"},
    {&Statements::make_garbage,
     "INSERT INTO garbage (file) SELECT file FROM uploads WHERE id_hash = ?1 AND file IS NOT NULL", "make garbage"},
    // 0: open, 1: complete, which can still be cancelled (2) or used (5).
    {&Statements::end,
     "UPDATE uploads SET state = ?2, expires_at_ms = ?3, token = ?4, reason = ?5, length = ?6, progress = ?7"
     " WHERE id_hash = ?1 AND (state = 0 OR (state = 1 AND ?2 IN (2, 5)))",
     "end an upload"},
    {&Statements::drop_file, "UPDATE uploads SET file = NULL WHERE id_hash = ?1", "end an upload"},
    {&Statements::due, "SELECT id_hash FROM uploads WHERE expires_at_ms <= ?1 LIMIT ?2", "list due uploads"},
    {&Statements::forget, "DELETE FROM uploads WHERE id_hash = ?1", "forget an upload"},
    {&Statements::open_uploads,
     "SELECT id_hash, file FROM uploads WHERE file >= ?1 AND state = 0 ORDER BY file LIMIT ?2", "list open uploads"},
    {&Statements::oldest_open, "SELECT id_hash FROM uploads WHERE state = 0 ORDER BY expires_at_ms LIMIT ?1",
     "list open uploads"},
    {&Statements::files_between, "SELECT file FROM uploads WHERE file BETWEEN ?1 AND ?2 ORDER BY file",
     "list files of uploads"},
};

io::Result<UploadTable> UploadTable::prepare(Database& database) {
  Statements statements;
  for (const Sql& one : kSql) {
    io::Result<Statement> prepared = Statement::prepare(database, one.sql, one.op);
    if (!prepared) return std::unexpected(prepared.error());
    statements.*one.member = *std::move(prepared);
  }
  return UploadTable(std::move(statements));
}

io::Result<> UploadTable::insert(const Upload& upload) {
  Statement::Use use = statements_.insert.use();
  use.bind_blob(1, upload.id_hash).bind(2, static_cast<int64_t>(upload.state));
  use.bind(3, to_integer(upload.file)).bind(4, to_integer(upload.length));
  use.bind(5, upload.created_at_ms).bind(6, upload.expires_at_ms);
  use.bind_blob(7, upload.name).bind_text(8, upload.content_type).bind_text(9, upload.metadata);
  use.bind_text(10, upload.concat).bind_text(11, upload.options).bind_blob(12, upload.progress);
  use.bind_text(13, upload.token).bind_text(14, upload.reason).bind_text(15, upload.watch);
  return use.run();
}

io::Result<std::optional<Upload>> UploadTable::find(std::string_view id_hash) {
  Statement::Use use = statements_.find.use();
  const io::Result<bool> row = use.bind_blob(1, id_hash).step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::nullopt;
  Upload upload;
  upload.id_hash = id_hash;
  upload.state = static_cast<UploadState>(use.column(0));
  upload.file = to_unsigned(use.column_or_null(1));
  upload.length = to_unsigned(use.column_or_null(2));
  upload.created_at_ms = use.column(3);
  upload.expires_at_ms = use.column(4);
  upload.name = use.column_blob(5);
  upload.content_type = use.column_text(6);
  upload.metadata = use.column_text(7);
  upload.concat = use.column_text(8);
  upload.options = use.column_text(9);
  upload.progress = use.column_blob(10);
  upload.token = use.column_text(11);
  upload.reason = use.column_text(12);
  upload.watch = use.column_text(13);
  return upload;
}

io::Result<std::optional<Upload>> UploadTable::find_watched(std::string_view watch) {
  std::string id_hash;
  {
    Statement::Use use = statements_.find_watched.use();
    const io::Result<bool> row = use.bind_text(1, watch).step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return std::nullopt;
    id_hash = use.column_blob(0);
  }
  return find(id_hash);
}

io::Result<> UploadTable::save_progress(const Upload& upload) {
  Statement::Use use = statements_.save_progress.use();
  use.bind_blob(1, upload.id_hash).bind(2, to_integer(upload.length)).bind(3, upload.expires_at_ms);
  return use.bind_blob(4, upload.progress).run();
}

io::Result<bool> UploadTable::end(const Upload& upload, FileFate fate) {
  CHECK_THAT(upload.state != UploadState::open);
  {
    Statement::Use use = statements_.end.use();
    use.bind_blob(1, upload.id_hash).bind(2, static_cast<int64_t>(upload.state)).bind(3, upload.expires_at_ms);
    use.bind_text(4, upload.token).bind_text(5, upload.reason).bind(6, to_integer(upload.length));
    use.bind_blob(7, upload.progress);
    const io::Result<> ended = use.run();
    if (!ended) return std::unexpected(ended.error());
    if (use.updated_rows() == 0) return false;
  }
  if (fate == FileFate::garbage) {
    Statement::Use use = statements_.make_garbage.use();
    const io::Result<> made = use.bind_blob(1, upload.id_hash).run();
    if (!made) return std::unexpected(made.error());
  }
  if (fate != FileFate::kept) {
    Statement::Use use = statements_.drop_file.use();
    const io::Result<> dropped = use.bind_blob(1, upload.id_hash).run();
    if (!dropped) return std::unexpected(dropped.error());
  }
  return true;
}

io::Result<std::vector<std::string>> UploadTable::due(io::EpochMs now_ms, uint64_t most) {
  Statement::Use use = statements_.due.use();
  use.bind(1, now_ms).bind(2, static_cast<int64_t>(most));
  return first_blobs(use);
}

io::Result<std::vector<std::string>> UploadTable::oldest_open(uint64_t most) {
  Statement::Use use = statements_.oldest_open.use();
  use.bind(1, static_cast<int64_t>(most));
  return first_blobs(use);
}

io::Result<> UploadTable::forget(std::string_view id_hash) {
  {
    Statement::Use use = statements_.make_garbage.use();
    const io::Result<> made = use.bind_blob(1, id_hash).run();
    if (!made) return made;
  }
  Statement::Use use = statements_.forget.use();
  return use.bind_blob(1, id_hash).run();
}

io::Result<std::vector<OpenUpload>> UploadTable::open_uploads(uint64_t first_file, uint64_t most) {
  std::vector<OpenUpload> open;
  Statement::Use use = statements_.open_uploads.use();
  use.bind(1, static_cast<int64_t>(std::min(first_file, kMostInteger))).bind(2, static_cast<int64_t>(most));
  while (true) {
    const io::Result<bool> row = use.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return open;
    open.push_back({std::string(use.column_blob(0)), static_cast<uint64_t>(use.column(1))});
  }
}

io::Result<std::vector<uint64_t>> UploadTable::files_between(uint64_t first, uint64_t last) {
  std::vector<uint64_t> files;
  if (first > kMostInteger) return files;
  Statement::Use use = statements_.files_between.use();
  use.bind(1, static_cast<int64_t>(first)).bind(2, static_cast<int64_t>(std::min(last, kMostInteger)));
  while (true) {
    const io::Result<bool> row = use.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return files;
    files.push_back(static_cast<uint64_t>(use.column(0)));
  }
}

}  // namespace ringdrop::db
