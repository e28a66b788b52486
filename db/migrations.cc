#include "db/migrations.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>

#include "db/transaction.h"

namespace ringdrop::db {
namespace {

// 1: links and the extents they are made of.
// A name is bytes (BLOB): what a client calls a file need not be UTF-8. An extent is found by its
// file too: that is how recovery asks whether a file is anybody's.
constexpr const char* kLinksAndExtents = R"sql(
CREATE TABLE links (
  id INTEGER PRIMARY KEY,
  token TEXT NOT NULL UNIQUE,
  name BLOB NOT NULL,
  content_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE extents (
  file INTEGER PRIMARY KEY,
  link INTEGER NOT NULL,
  position INTEGER NOT NULL,
  length INTEGER NOT NULL,
  checksums BLOB NOT NULL
) STRICT;
CREATE INDEX extents_of_link ON extents (link, position);
)sql";

// 2: when a link ends, how often it was fetched, its digests; and files that no link needs any more.
// `pending`: downloads of a limited link that were let through to their last piece and have not
// ended yet. A removed link's files are garbage from the same transaction on, until they are gone
// from the disk. The partial indices hold what the sweeper looks for and nothing else.
constexpr const char* kEndsAndDigests = R"sql(
ALTER TABLE links ADD COLUMN delete_hash BLOB NOT NULL DEFAULT x'';
ALTER TABLE links ADD COLUMN expires_at_ms INTEGER;
ALTER TABLE links ADD COLUMN max_downloads INTEGER;
ALTER TABLE links ADD COLUMN downloads INTEGER NOT NULL DEFAULT 0;
ALTER TABLE links ADD COLUMN pending INTEGER NOT NULL DEFAULT 0;
ALTER TABLE links ADD COLUMN sha256 BLOB NOT NULL DEFAULT x'';
ALTER TABLE links ADD COLUMN sha512 BLOB NOT NULL DEFAULT x'';
CREATE INDEX links_expiring ON links (expires_at_ms) WHERE expires_at_ms IS NOT NULL;
CREATE INDEX links_used_up ON links (id) WHERE max_downloads IS NOT NULL AND downloads >= max_downloads;
CREATE INDEX links_pending ON links (id) WHERE pending > 0;
CREATE TABLE garbage (file INTEGER PRIMARY KEY) STRICT;
)sql";

// 3: uploads that have an id: unfinished ones with what has come, ended ones for as long as they are
// remembered.
constexpr const char* kUploads = R"sql(
CREATE TABLE uploads (
  id_hash BLOB PRIMARY KEY,
  state INTEGER NOT NULL,
  file INTEGER UNIQUE,
  length INTEGER,
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  name BLOB NOT NULL,
  content_type TEXT NOT NULL,
  metadata TEXT NOT NULL,
  concat TEXT NOT NULL,
  options TEXT NOT NULL,
  progress BLOB NOT NULL,
  token TEXT NOT NULL,
  reason TEXT NOT NULL
) STRICT;
CREATE INDEX uploads_due ON uploads (expires_at_ms);
)sql";

// 4: the name under which an upload is watched.
constexpr const char* kWatchIds = R"sql(
ALTER TABLE uploads ADD COLUMN watch TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX uploads_by_watch ON uploads (watch) WHERE watch != '';
)sql";

// 5: the bytes of small files. A table of its own, so that rows of links stay close together; its `link` ascends, so
// that bytes which come together are written together.
constexpr const char* kContents = R"sql(
CREATE TABLE contents (
  link INTEGER PRIMARY KEY,
  checksums BLOB NOT NULL,
  bytes BLOB NOT NULL
) STRICT;
)sql";

// 6: the extents of a link in one tree, by link, so that a lookup need not find them by way of an index; those of one
// link are next to each other. Of ten million it takes some ten seconds, and for that time half a GB of the log and as
// much of the file.
constexpr const char* kExtentsByLink = R"sql(
CREATE TABLE extents_by_link (
  file INTEGER NOT NULL UNIQUE,
  link INTEGER NOT NULL,
  position INTEGER NOT NULL,
  length INTEGER NOT NULL,
  checksums BLOB NOT NULL,
  PRIMARY KEY (link, position)
) STRICT, WITHOUT ROWID;
INSERT INTO extents_by_link SELECT file, link, position, length, checksums FROM extents ORDER BY link, position;
DROP TABLE extents;
ALTER TABLE extents_by_link RENAME TO extents;
)sql";

// 7: a link's token tells its number to who has the key (link_numbers.h), so that an index of all tokens, of which each
// new link changes another page, is not needed; the tokens of older links are in a table of their own. Everything is
// read in the order in which it is written, as nothing is sorted elsewhere than in memory.
constexpr const char* kNumberedLinks = R"sql(
CREATE TABLE link_key (id INTEGER PRIMARY KEY CHECK (id = 1), key BLOB NOT NULL) STRICT;
CREATE TABLE tokens (
  token TEXT PRIMARY KEY,
  link INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO tokens SELECT token, id FROM links ORDER BY token;
CREATE TABLE numbered_links (
  id INTEGER PRIMARY KEY,
  token TEXT NOT NULL,
  name BLOB NOT NULL,
  content_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  delete_hash BLOB NOT NULL DEFAULT x'',
  expires_at_ms INTEGER,
  max_downloads INTEGER,
  downloads INTEGER NOT NULL DEFAULT 0,
  pending INTEGER NOT NULL DEFAULT 0,
  sha256 BLOB NOT NULL DEFAULT x'',
  sha512 BLOB NOT NULL DEFAULT x''
) STRICT;
CREATE INDEX links_by_expiry ON numbered_links (expires_at_ms) WHERE expires_at_ms IS NOT NULL;
CREATE INDEX links_without_downloads ON numbered_links (id) WHERE max_downloads IS NOT NULL AND downloads >= max_downloads;
CREATE INDEX links_with_pending ON numbered_links (id) WHERE pending > 0;
INSERT INTO numbered_links SELECT id, token, name, content_type, size, created_at_ms, delete_hash, expires_at_ms,
  max_downloads, downloads, pending, sha256, sha512 FROM links ORDER BY id;
DROP TABLE links;
ALTER TABLE numbered_links RENAME TO links;
)sql";

// 8: a link's only extent in its row, so that a lookup reads one page and not two; `extents` has those of links of
// several. `checksums` is last, as those of a large file reach into pages of their own: from about 10 GB on, which are
// then written again with each change of the row. A file that damage has given to two links stays in `extents` for one
// of them, for fsck to see. The old indices go first for their names. The cast lets SQLite search either table for who
// asks the view, instead of making a third one of both.
constexpr const char* kOnlyExtents = R"sql(
DROP INDEX links_by_expiry;
DROP INDEX links_without_downloads;
DROP INDEX links_with_pending;
CREATE TABLE links_with_files (
  id INTEGER PRIMARY KEY,
  token TEXT NOT NULL,
  name BLOB NOT NULL,
  content_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  delete_hash BLOB NOT NULL DEFAULT x'',
  expires_at_ms INTEGER,
  max_downloads INTEGER,
  downloads INTEGER NOT NULL DEFAULT 0,
  pending INTEGER NOT NULL DEFAULT 0,
  sha256 BLOB NOT NULL DEFAULT x'',
  sha512 BLOB NOT NULL DEFAULT x'',
  file INTEGER,
  length INTEGER,
  checksums BLOB NOT NULL DEFAULT x''
) STRICT;
CREATE INDEX links_by_expiry ON links_with_files (expires_at_ms) WHERE expires_at_ms IS NOT NULL;
CREATE INDEX links_without_downloads ON links_with_files (id) WHERE max_downloads IS NOT NULL AND downloads >= max_downloads;
CREATE INDEX links_with_pending ON links_with_files (id) WHERE pending > 0;
CREATE UNIQUE INDEX links_by_file ON links_with_files (file) WHERE file IS NOT NULL;
INSERT INTO links_with_files SELECT l.id, l.token, l.name, l.content_type, l.size, l.created_at_ms, l.delete_hash,
  l.expires_at_ms, l.max_downloads, l.downloads, l.pending, l.sha256, l.sha512, e.file, e.length,
    coalesce(e.checksums, x'')
  FROM links l LEFT JOIN extents e ON e.link = l.id AND e.position = 0
    AND NOT EXISTS (SELECT 1 FROM extents other WHERE other.link = l.id AND other.position != 0)
    AND NOT EXISTS (SELECT 1 FROM extents same WHERE same.file = e.file AND same.link != e.link)
  ORDER BY l.id;
CREATE TABLE extents_of_several (
  file INTEGER NOT NULL UNIQUE,
  link INTEGER NOT NULL,
  position INTEGER NOT NULL,
  length INTEGER NOT NULL,
  checksums BLOB NOT NULL,
  PRIMARY KEY (link, position)
) STRICT, WITHOUT ROWID;
INSERT INTO extents_of_several SELECT file, link, position, length, checksums FROM extents e
  WHERE NOT EXISTS (SELECT 1 FROM links_with_files l WHERE l.id = e.link AND l.file = e.file) ORDER BY link, position;
DROP TABLE links;
DROP TABLE extents;
ALTER TABLE links_with_files RENAME TO links;
ALTER TABLE extents_of_several RENAME TO extents;
CREATE VIEW all_extents AS
  SELECT file, id AS link, CAST(0 AS INTEGER) AS position, length, checksums FROM links WHERE file IS NOT NULL
  UNION ALL SELECT file, link, position, length, checksums FROM extents;
)sql";

// Append only: what was released once is never changed.
constexpr const char* kMigrations[] = {kLinksAndExtents, kEndsAndDigests, kUploads,       kWatchIds,
                                       kContents,        kExtentsByLink,  kNumberedLinks, kOnlyExtents};

io::Result<> apply(Database& database, const char* sql, std::size_t new_version) {
  io::Result<Transaction> transaction = Transaction::begin(database);
  if (!transaction) return std::unexpected(transaction.error());
  io::Result<> done = database.execute(sql, "migrate the catalogue");
  if (!done) return done;
  // A pragma takes no parameters; user_version is part of the transaction.
  done = database.execute(fmt::format("PRAGMA user_version={}", new_version).c_str(), "migrate the catalogue");
  if (!done) return done;
  return transaction->commit();
}

}  // namespace

std::span<const char* const> catalogue_migrations() {
  return kMigrations;
}

io::Result<bool> migrate(Database& database, std::span<const char* const> migrations) {
  const io::Result<int64_t> version = database.read_int64("PRAGMA user_version", "read the catalogue's version");
  if (!version) return std::unexpected(version.error());
  if (*version < 0 || static_cast<uint64_t>(*version) > migrations.size()) {
    return io::fail(io::Errc::refused, "the catalogue was written by a newer version of ringdrop");
  }
  for (auto done = static_cast<std::size_t>(*version); done < migrations.size(); ++done) {
    const io::Result<> applied = apply(database, migrations[done], done + 1);
    // Rows that an older version cannot have made.
    const bool contradicts =
        !applied && (applied.error().code == io::Errc::exists || applied.error().code == io::Errc::refused);
    if (contradicts) return io::fail(io::Errc::corrupt, applied.error().op);
    if (!applied) return std::unexpected(applied.error());
  }
  return static_cast<std::size_t>(*version) < migrations.size();
}

}  // namespace ringdrop::db
