#include "db/link_table.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/check.h"

namespace ringdrop::db {
namespace {

constexpr auto kMostInteger = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());

// For what our own code made: a larger number is a bug.
int64_t to_integer(uint64_t value) {
  CHECK_THAT(value <= kMostInteger);
  return static_cast<int64_t>(value);
}

bool is_consistent(const Link& link) {
  if (link.content) {
    const Content& content = *link.content;
    return link.extents.empty() && content.bytes.size() == link.size_bytes &&
           content.checksums.size() % kChecksumBytes == 0;
  }
  if (link.extents.empty() || link.extents.size() > kMostExtents) return false;
  uint64_t left = link.size_bytes;
  for (const Extent& extent : link.extents) {
    if (extent.length_bytes > left || extent.checksums.size() % kChecksumBytes != 0) return false;
    left -= extent.length_bytes;
  }
  return left == 0;
}

// The columns of a link in `find`; those of extent and content stand around them.
Link read_link(const Statement::Use& use, std::string_view token) {
  Link link;
  link.token = token;
  link.name = use.column_blob(3);
  link.content_type = use.column_text(4);
  link.size_bytes = static_cast<uint64_t>(use.column(5));
  link.created_at_ms = use.column(6);
  link.delete_hash = use.column_blob(7);
  link.expires_at_ms = use.column_or_null(8);
  const std::optional<int64_t> most = use.column_or_null(9);
  if (most) link.max_downloads = static_cast<uint64_t>(*most);
  link.downloads = static_cast<uint64_t>(use.column(10));
  link.sha256 = use.column_blob(11);
  link.sha512 = use.column_blob(12);
  return link;
}

// Runs an UPDATE of at most one row: whether there was one.
io::Result<bool> finds_a_row(Statement::Use& use) {
  const io::Result<> updated = use.run();
  if (!updated) return std::unexpected(updated.error());
  return use.updated_rows() > 0;
}

// The first column of every row.
io::Result<std::vector<uint64_t>> read_numbers(Statement::Use& use) {
  std::vector<uint64_t> numbers;
  while (true) {
    const io::Result<bool> row = use.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return numbers;
    numbers.push_back(static_cast<uint64_t>(use.column(0)));
  }
}

}  // namespace

struct LinkTable::Sql {
  Statement Statements::* member;
  const char* sql;
  const char* op;
};

// A link is there for strangers while it is ALIVE at ?2.
#define RINGDROP_ALIVE                             \
  " (expires_at_ms IS NULL OR expires_at_ms > ?2)" \
  " AND (max_downloads IS NULL OR downloads + pending < max_downloads) "

const LinkTable::Sql LinkTable::kSql[] = {
    {&Statements::insert_link,
     "INSERT INTO links (token, name, content_type, size, created_at_ms, delete_hash, expires_at_ms, max_downloads,"
     " downloads, sha256, sha512, id, file, length, checksums)"
     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, coalesce(?15, x''))",
     "insert a link"},
    {&Statements::insert_token, "INSERT INTO tokens (token, link) VALUES (?1, ?2)", "insert a token"},
    {&Statements::insert_extent,
     "INSERT INTO extents (file, link, position, length, checksums) VALUES (?1, ?2, ?3, ?4, ?5)", "insert an extent"},
    {&Statements::find_file, "SELECT 1 FROM all_extents WHERE file = ?1", "find a file"},
    // An id may be given again: what damage has left under it is nobody's.
    {&Statements::insert_content, "INSERT OR REPLACE INTO contents (link, checksums, bytes) VALUES (?1, ?2, ?3)",
     "insert the content of a link"},
    {&Statements::find_token, "SELECT link FROM tokens WHERE token = ?1", "find a token"},
    // A row an extent, or one with the content; LEFT JOINs, so that a link which lost both is noticed. Where there is
    // nothing to be found a key is NULL, for which no table is read; a condition beside the key is looked at too late.
    {&Statements::find,
     "SELECT coalesce(l.file, e.file), iif(l.file IS NULL, e.length, l.length),"
     " iif(l.file IS NULL, e.checksums, l.checksums), l.name, l.content_type, l.size, l.created_at_ms,"
     " l.delete_hash, l.expires_at_ms, l.max_downloads, l.downloads + l.pending, l.sha256, l.sha512,"
     " c.link IS NOT NULL, c.checksums, c.bytes"
     " FROM links l LEFT JOIN extents e ON e.link = iif(l.file IS NULL, l.id, NULL)"
     " LEFT JOIN contents c ON c.link = iif(l.file IS NULL AND e.link IS NULL, l.id, NULL)"
     " WHERE l.id = ?3 AND l.token = ?1 AND" RINGDROP_ALIVE "ORDER BY e.position",
     "find a link"},
    {&Statements::id_of_ended,
     "SELECT id FROM links WHERE id = ?3 AND token = ?1 AND pending = 0 AND"
     " (expires_at_ms <= ?2 OR downloads >= max_downloads)",
     "find an ended link"},
    {&Statements::lost_id_of_ended,
     "SELECT id FROM links WHERE expires_at_ms <= ?2 AND pending = 0 AND token = ?1 UNION ALL"
     " SELECT id FROM links WHERE max_downloads IS NOT NULL AND downloads >= max_downloads AND pending = 0 AND token = "
     "?1",
     "find an ended link"},
    // That damage has given a file to two links must not keep either from ending.
    {&Statements::make_garbage, "INSERT OR IGNORE INTO garbage (file) SELECT file FROM all_extents WHERE link = ?1",
     "make garbage"},
    {&Statements::remove_extents, "DELETE FROM extents WHERE link = ?1", "remove extents"},
    {&Statements::remove_content, "DELETE FROM contents WHERE link = ?1", "remove the content of a link"},
    {&Statements::remove_link, "DELETE FROM links WHERE id = ?1", "remove a link"},
    {&Statements::remove_token, "DELETE FROM tokens WHERE token = ?1", "remove a token"},
    {&Statements::set_expiry, "UPDATE links SET expires_at_ms = ?4 WHERE id = ?3 AND token = ?1 AND" RINGDROP_ALIVE,
     "change an expiry"},
    {&Statements::take_download,
     "UPDATE links SET pending = pending + 1 WHERE id = ?3 AND token = ?1 AND"
     " (max_downloads IS NULL OR downloads + pending < max_downloads)",
     "take a download"},
    {&Statements::settle_download,
     "UPDATE links SET pending = pending - 1, downloads = downloads + ?2 WHERE id = ?3 AND token = ?1 AND pending > 0",
     "settle a download"},
    {&Statements::settle_all_downloads,
     "UPDATE links SET downloads = downloads + pending, pending = 0 WHERE pending > 0", "settle downloads"},
    {&Statements::count_downloads, "UPDATE links SET downloads = downloads + ?2 WHERE id = ?3 AND token = ?1",
     "count downloads"},
    // Each by its own partial index: a UNION would sort all of them first.
    {&Statements::expired, "SELECT token FROM links WHERE expires_at_ms <= ?1 AND pending = 0 LIMIT ?2",
     "list expired links"},
    {&Statements::used_up,
     "SELECT token FROM links WHERE max_downloads IS NOT NULL AND downloads >= max_downloads AND pending = 0 LIMIT ?2",
     "list used up links"},
    {&Statements::garbage,
     "SELECT file FROM garbage g WHERE NOT EXISTS (SELECT 1 FROM all_extents e WHERE e.file = g.file)"
     " AND NOT EXISTS (SELECT 1 FROM uploads u WHERE u.file = g.file)"
     " ORDER BY file LIMIT ?1",
     "list garbage"},
    {&Statements::forget_garbage, "DELETE FROM garbage WHERE file = ?1", "forget garbage"},
    {&Statements::files_between, "SELECT file FROM all_extents WHERE file BETWEEN ?1 AND ?2 ORDER BY file",
     "list files"},
};

#undef RINGDROP_ALIVE

io::Result<LinkTable> LinkTable::prepare(Database& database, LinkNumbers& numbers) {
  Statements statements;
  for (const Sql& one : kSql) {
    io::Result<Statement> prepared = Statement::prepare(database, one.sql, one.op);
    if (!prepared) return std::unexpected(prepared.error());
    statements.*one.member = *std::move(prepared);
  }
  return LinkTable(std::move(statements), numbers);
}

// The number that the token tells, or one that the table `tokens` knows from now on.
io::Result<int64_t> LinkTable::make_id(std::string_view token) {
  const std::optional<int64_t> number = numbers_->number_of(token);
  if (number) return *number;
  const int64_t id = numbers_->take_number();
  numbers_->note_unnumbered();
  Statement::Use use = statements_.insert_token.use();
  const io::Result<> inserted = use.bind_text(1, token).bind(2, id).run();
  if (!inserted) return std::unexpected(inserted.error());
  return id;
}

// Of a link that may exist: its row has the token then.
io::Result<std::optional<int64_t>> LinkTable::id_of(std::string_view token) {
  const std::optional<int64_t> number = numbers_->number_of(token);
  if (number || !numbers_->has_unnumbered()) return number;
  Statement::Use use = statements_.find_token.use();
  const io::Result<bool> row = use.bind_text(1, token).step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::nullopt;
  return use.column(0);
}

io::Result<> LinkTable::insert(const Link& link) {
  CHECK_THAT(is_consistent(link));
  for (const Extent& extent : link.extents) {
    Statement::Use use = statements_.find_file.use();
    const io::Result<bool> taken = use.bind(1, to_integer(extent.file)).step();
    if (!taken) return std::unexpected(taken.error());
    if (*taken) return io::fail(io::Errc::exists, "insert an extent");
  }
  const io::Result<int64_t> made = make_id(link.token);
  if (!made) return std::unexpected(made.error());
  const int64_t id = *made;
  {
    Statement::Use use = statements_.insert_link.use();
    use.bind_text(1, link.token).bind_blob(2, link.name).bind_text(3, link.content_type);
    use.bind(4, to_integer(link.size_bytes)).bind(5, link.created_at_ms).bind_blob(6, link.delete_hash);
    use.bind(7, link.expires_at_ms);
    if (link.max_downloads) use.bind(8, to_integer(*link.max_downloads));
    use.bind(9, to_integer(link.downloads)).bind_blob(10, link.sha256).bind_blob(11, link.sha512);
    use.bind(12, id);
    if (link.extents.size() == 1) {
      const Extent& only = link.extents.front();
      use.bind(13, to_integer(only.file)).bind(14, to_integer(only.length_bytes)).bind_blob(15, only.checksums);
    }
    const io::Result<> inserted = use.run();
    if (!inserted) return inserted;
  }
  if (link.extents.size() > 1) return insert_extents(id, link.extents);
  return link.content ? insert_content(id, *link.content) : io::Result<>{};
}

io::Result<> LinkTable::insert_extents(int64_t id, std::span<const Extent> extents) {
  int64_t position = 0;
  for (const Extent& extent : extents) {
    Statement::Use use = statements_.insert_extent.use();
    use.bind(1, to_integer(extent.file)).bind(2, id).bind(3, position);
    use.bind(4, to_integer(extent.length_bytes)).bind_blob(5, extent.checksums);
    const io::Result<> inserted = use.run();
    if (!inserted) return inserted;
    ++position;
  }
  return {};
}

io::Result<> LinkTable::insert_content(int64_t id, const Content& content) {
  Statement::Use use = statements_.insert_content.use();
  return use.bind(1, id).bind_blob(2, content.checksums).bind_blob(3, content.bytes).run();
}

io::Result<std::optional<Link>> LinkTable::find(std::string_view token, io::EpochMs now_ms) {
  const io::Result<std::optional<int64_t>> id = id_of(token);
  if (!id) return std::unexpected(id.error());
  std::optional<Link> found;
  if (!*id) return found;
  Statement::Use use = statements_.find.use();
  use.bind_text(1, token).bind(2, now_ms).bind(3, **id);
  while (true) {
    const io::Result<bool> row = use.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) break;
    if (!found) found = read_link(use, token);
    const bool has_content = use.column(13) != 0;
    if (has_content) found->content.emplace(std::string(use.column_blob(15)), std::string(use.column_blob(14)));
    const std::optional<int64_t> file = use.column_or_null(0);
    if (!file) continue;
    Extent extent;
    extent.file = static_cast<uint64_t>(*file);
    extent.length_bytes = static_cast<uint64_t>(use.column(1));
    extent.checksums = use.column_blob(2);
    found->extents.push_back(std::move(extent));
  }
  if (found && !is_consistent(*found)) return io::fail(io::Errc::corrupt, "find a link");
  return found;
}

io::Result<bool> LinkTable::remove_ended(std::string_view token, io::EpochMs now_ms) {
  int64_t id = 0;
  {
    const io::Result<std::optional<int64_t>> told = id_of(token);
    if (!told) return std::unexpected(told.error());
    Statement::Use use = statements_.id_of_ended.use();
    const io::Result<bool> row = use.bind_text(1, token).bind(2, now_ms).bind(3, *told).step();
    if (!row) return row;
    if (*row) id = use.column(0);
  }
  if (id == 0) {
    // Where damage has taken the way from its token to a link, the sweeper would list it again and again.
    Statement::Use use = statements_.lost_id_of_ended.use();
    const io::Result<bool> row = use.bind_text(1, token).bind(2, now_ms).step();
    if (!row || !*row) return row;
    id = use.column(0);
  }
  for (Statement* const statement : {&statements_.make_garbage, &statements_.remove_extents,
                                     &statements_.remove_content, &statements_.remove_link}) {
    Statement::Use use = statement->use();
    const io::Result<> done = use.bind(1, id).run();
    if (!done) return std::unexpected(done.error());
  }
  if (numbers_->has_unnumbered()) {
    Statement::Use use = statements_.remove_token.use();
    const io::Result<> done = use.bind_text(1, token).run();
    if (!done) return std::unexpected(done.error());
  }
  return true;
}

io::Result<bool> LinkTable::set_expiry(std::string_view token, std::optional<io::EpochMs> expires_at_ms,
                                       io::EpochMs now_ms) {
  const io::Result<std::optional<int64_t>> id = id_of(token);
  if (!id) return std::unexpected(id.error());
  if (!*id) return false;
  Statement::Use use = statements_.set_expiry.use();
  use.bind_text(1, token).bind(2, now_ms).bind(3, **id).bind(4, expires_at_ms);
  return finds_a_row(use);
}

// Of the link with that token: `value` is ?2. Whether there was one.
io::Result<bool> LinkTable::update(Statement& statement, std::string_view token, std::optional<int64_t> value) {
  const io::Result<std::optional<int64_t>> id = id_of(token);
  if (!id) return std::unexpected(id.error());
  if (!*id) return false;
  Statement::Use use = statement.use();
  use.bind_text(1, token).bind(3, **id);
  if (value) use.bind(2, *value);
  return finds_a_row(use);
}

io::Result<bool> LinkTable::take_download(std::string_view token) {
  return update(statements_.take_download, token, std::nullopt);
}

io::Result<> LinkTable::settle_download(std::string_view token, bool completed) {
  const io::Result<bool> settled = update(statements_.settle_download, token, completed ? 1 : 0);
  if (!settled) return std::unexpected(settled.error());
  return {};
}

io::Result<> LinkTable::settle_all_downloads() {
  Statement::Use use = statements_.settle_all_downloads.use();
  return use.run();
}

io::Result<> LinkTable::count_downloads(std::span<const DownloadCount> counts) {
  for (const DownloadCount& one : counts) {
    const io::Result<bool> counted = update(statements_.count_downloads, one.token, to_integer(one.downloads));
    if (!counted) return std::unexpected(counted.error());
  }
  return {};
}

io::Result<std::vector<std::string>> LinkTable::ended(io::EpochMs now_ms, uint64_t most) {
  std::vector<std::string> tokens;
  for (Statement* const statement : {&statements_.expired, &statements_.used_up}) {
    Statement::Use use = statement->use();
    if (statement == &statements_.expired) use.bind(1, now_ms);
    use.bind(2, to_integer(most - tokens.size()));
    while (true) {
      const io::Result<bool> row = use.step();
      if (!row) return std::unexpected(row.error());
      if (!*row) break;
      tokens.emplace_back(use.column_text(0));
    }
  }
  return tokens;
}

io::Result<std::vector<uint64_t>> LinkTable::garbage(uint64_t most) {
  Statement::Use use = statements_.garbage.use();
  use.bind(1, to_integer(most));
  return read_numbers(use);
}

io::Result<> LinkTable::forget_garbage(std::span<const uint64_t> files) {
  for (const uint64_t file : files) {
    Statement::Use use = statements_.forget_garbage.use();
    const io::Result<> forgotten = use.bind(1, to_integer(file)).run();
    if (!forgotten) return forgotten;
  }
  return {};
}

io::Result<std::vector<uint64_t>> LinkTable::files_between(uint64_t first, uint64_t last) {
  if (first > kMostInteger) return std::vector<uint64_t>{};
  Statement::Use use = statements_.files_between.use();
  use.bind(1, to_integer(first)).bind(2, to_integer(std::min(last, kMostInteger)));
  return read_numbers(use);
}

}  // namespace ringdrop::db
