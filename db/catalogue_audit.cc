#include "db/catalogue_audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "db/migrations.h"

namespace ringdrop::db {
namespace {

constexpr const char* kOp = "audit the catalogue";
constexpr uint64_t kMostInteger = std::numeric_limits<int64_t>::max();

constexpr const char* kFilesBetween =
    "SELECT e.file, 0, e.length, 0, length(e.checksums), e.link, coalesce(l.token, ''), x''"
    " FROM all_extents e LEFT JOIN links l ON l.id = e.link WHERE e.file BETWEEN ?1 AND ?2"
    " UNION ALL SELECT file, 1, coalesce(length, 0), state = 0, 0, 0, '', progress FROM uploads"
    " WHERE file BETWEEN ?1 AND ?2"
    " UNION ALL SELECT file, 2, 0, 0, 0, 0, '', x'' FROM garbage WHERE file BETWEEN ?1 AND ?2 ORDER BY 1";

constexpr const char* kNextFile =
    "SELECT min(file) FROM (SELECT min(file) AS file FROM links WHERE file >= ?1"
    " UNION ALL SELECT min(file) FROM extents WHERE file >= ?1"
    " UNION ALL SELECT min(file) FROM uploads WHERE file >= ?1)";

struct Contradiction {
  const char* sql;  // one column: a number to tell it by
  const char* text;
};

// What no code of ours can leave behind. A file in `garbage` that somebody needs would be removed by the sweeper.
constexpr Contradiction kContradictions[] = {
    {"SELECT l.id FROM links l WHERE l.file IS NULL AND NOT EXISTS (SELECT 1 FROM extents e WHERE e.link = l.id)"
     " AND NOT EXISTS (SELECT 1 FROM contents c WHERE c.link = l.id)",
     "link {}: it has neither extents nor content"},
    {"SELECT c.link FROM contents c JOIN links l ON l.id = c.link WHERE length(c.bytes) != l.size",
     "link {}: its content does not have its size"},
    {"SELECT c.link FROM contents c WHERE length(c.checksums) != CASE WHEN length(c.bytes) > 0 THEN 16 ELSE 0 END",
     "link {}: its content has not as many checksums as it should have"},
    {"SELECT c.link FROM contents c WHERE EXISTS (SELECT 1 FROM all_extents e WHERE e.link = c.link)",
     "link {}: it has both extents and content"},
    {"SELECT c.link FROM contents c WHERE NOT EXISTS (SELECT 1 FROM links l WHERE l.id = c.link)",
     "link {}: it does not exist, and has content"},
    {"SELECT e.link FROM extents e JOIN links l ON l.id = e.link GROUP BY e.link HAVING sum(e.length) != l.size",
     "link {}: its extents do not add up to its size"},
    {"SELECT id FROM links WHERE file IS NOT NULL AND length IS NOT size",
     "link {}: its extent does not have its size"},
    {"SELECT id FROM links WHERE file IS NULL AND (length IS NOT NULL OR checksums != x'')",
     "link {}: it has a length or checksums, and no file to which they belong"},
    {"SELECT e.link FROM extents e GROUP BY e.link HAVING min(e.position) != 0 OR max(e.position) != count(*) - 1",
     "link {}: its extents are not in one row"},
    {"SELECT DISTINCT e.link FROM extents e JOIN links l ON l.id = e.link WHERE l.file IS NOT NULL",
     "link {}: it has an only extent, and others"},
    {"SELECT e.file FROM extents e WHERE EXISTS (SELECT 1 FROM links l WHERE l.file = e.file AND l.id != e.link)",
     "file {}: it is an extent of two links"},
    {"SELECT file FROM all_extents WHERE file < 0", "file {}: that is no number of a file"},
    {"SELECT e.file FROM extents e WHERE NOT EXISTS (SELECT 1 FROM links l WHERE l.id = e.link)",
     "file {}: it is an extent of a link that does not exist"},
    {"SELECT g.file FROM garbage g WHERE EXISTS (SELECT 1 FROM all_extents e WHERE e.file = g.file)",
     "file {}: it is both a link's and garbage"},
    {"SELECT u.file FROM uploads u JOIN garbage g ON g.file = u.file", "file {}: it is both an upload's and garbage"},
    {"SELECT u.file FROM uploads u WHERE EXISTS (SELECT 1 FROM all_extents e WHERE e.file = u.file)",
     "file {}: it is both an upload's and a link's"},
};

}  // namespace

io::Result<CatalogueAudit> CatalogueAudit::open(const std::string& path) {
  OpenOptions options;
  options.path = path;
  options.role = Role::reader;
  io::Result<Database> database = Database::open(options);
  if (!database) return std::unexpected(database.error());
  const io::Result<int64_t> version = database->read_int64("PRAGMA user_version", "read the catalogue's version");
  if (!version) return std::unexpected(version.error());
  const auto known = static_cast<int64_t>(catalogue_migrations().size());
  if (*version > known) {
    return io::fail(io::Errc::refused, "the catalogue was written by a newer version of ringdrop");
  }
  if (*version < known) {
    return io::fail(io::Errc::refused, "the catalogue is of an older version: let the server start once");
  }
  auto numbers = LinkNumbers::read(*database);
  if (!numbers && numbers.error().code != io::Errc::corrupt) return std::unexpected(numbers.error());
  CatalogueAudit audit(*std::move(database), numbers ? *std::move(numbers) : nullptr);
  const io::Result<> prepared = audit.prepare();
  if (!prepared) return std::unexpected(prepared.error());
  return audit;
}

io::Result<> CatalogueAudit::prepare() {
  struct One {
    Statement CatalogueAudit::* member;
    const char* sql;
  };
  const One all[] = {
      {&CatalogueAudit::files_between_, kFilesBetween},
      {&CatalogueAudit::next_file_, kNextFile},
      {&CatalogueAudit::next_link_,
       "SELECT id, token, size, sha256, sha512 FROM links WHERE id >= ?1 ORDER BY id LIMIT 1"},
      {&CatalogueAudit::extents_,
       "SELECT file, length, checksums, position FROM all_extents WHERE link = ?1 ORDER BY position"},
      {&CatalogueAudit::content_, "SELECT bytes, checksums FROM contents WHERE link = ?1"},
  };
  for (const One& one : all) {
    io::Result<Statement> prepared = Statement::prepare(database_, one.sql, kOp);
    if (!prepared) return std::unexpected(prepared.error());
    this->*one.member = *std::move(prepared);
  }
  return {};
}

io::Result<std::vector<std::string>> CatalogueAudit::damage() {
  io::Result<Statement> statement = Statement::prepare(database_, "PRAGMA integrity_check(20)", kOp);
  if (!statement) return std::unexpected(statement.error());
  Statement::Use use = statement->use();
  std::vector<std::string> lines;
  for (;;) {
    const io::Result<bool> row = use.step();
    // Damage that SQLite cannot read past is what was asked for.
    if (!row && row.error().code == io::Errc::corrupt) lines.push_back(database_.last_error());
    if (!row && row.error().code != io::Errc::corrupt) return std::unexpected(row.error());
    if (!row || !*row) break;
    const std::string_view text = use.column_text(0);
    if (text != "ok") lines.emplace_back(text);
  }
  for (std::string& line : lines) std::ranges::replace(line, '\n', ' ');
  return lines;
}

io::Result<std::vector<std::string>> CatalogueAudit::contradictions(uint64_t most) {
  std::vector<std::string> lines;
  for (const Contradiction& one : kContradictions) {
    const std::string sql = fmt::format("{} LIMIT {}", one.sql, most);
    io::Result<Statement> statement = Statement::prepare(database_, sql.c_str(), kOp);
    if (!statement) return std::unexpected(statement.error());
    Statement::Use use = statement->use();
    for (;;) {
      const io::Result<bool> row = use.step();
      if (!row) return std::unexpected(row.error());
      if (!*row) break;
      lines.push_back(fmt::format(fmt::runtime(one.text), use.column(0)));
    }
  }
  const io::Result<> begun = database_.execute("BEGIN", kOp);
  if (!begun) return std::unexpected(begun.error());
  const io::Result<> added = add_unreachable(most, lines);
  const io::Result<> ended = database_.execute("ROLLBACK", kOp);
  if (!added || !ended) return std::unexpected(added ? ended.error() : added.error());
  return lines;
}

// Each link by its token: by the number which that tells, or by `tokens`. In a transaction, for `tokens` is counted
// too.
io::Result<> CatalogueAudit::add_unreachable(uint64_t most, std::vector<std::string>& lines) {
  if (!numbers_) {
    lines.emplace_back(
        "the key of tokens is missing, damaged or does not fit; unless its page is damaged the next start makes "
        "another");
    return {};
  }
  io::Result<Statement> links = Statement::prepare(database_, "SELECT id, token FROM links", kOp);
  if (!links) return std::unexpected(links.error());
  io::Result<Statement> leads = Statement::prepare(database_, "SELECT link FROM tokens WHERE token = ?1", kOp);
  if (!leads) return std::unexpected(leads.error());
  Statement::Use link = links->use();
  int64_t by_table = 0;
  uint64_t found = 0;
  while (found < most) {
    const io::Result<bool> row = link.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) break;
    const int64_t id = link.column(0);
    const std::string_view token = link.column_text(1);
    std::optional<int64_t> told = numbers_->number_of(token);
    if (!told) {
      Statement::Use use = leads->use();
      const io::Result<bool> known = use.bind_text(1, token).step();
      if (!known) return std::unexpected(known.error());
      if (*known) told = use.column(0);
      if (*known) ++by_table;
    }
    if (told == id) continue;
    lines.push_back(fmt::format("link {}: its token does not lead to it", id));
    ++found;
  }
  const io::Result<int64_t> all = database_.read_int64("SELECT count(*) FROM tokens", kOp);
  if (!all) return std::unexpected(all.error());
  if (found < most && *all > by_table) lines.push_back(fmt::format("{} tokens lead to no link", *all - by_table));
  return {};
}

io::Result<std::vector<FileRow>> CatalogueAudit::files_between(uint64_t first, uint64_t last) {
  std::vector<FileRow> rows;
  if (first > kMostInteger) return rows;
  Statement::Use use = files_between_.use();
  use.bind(1, static_cast<int64_t>(first)).bind(2, static_cast<int64_t>(std::min(last, kMostInteger)));
  for (;;) {
    const io::Result<bool> row = use.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return rows;
    FileRow found;
    found.file = static_cast<uint64_t>(use.column(0));
    found.owner = static_cast<FileRow::Owner>(use.column(1));
    found.length_bytes = static_cast<uint64_t>(use.column(2));
    found.is_open = use.column(3) != 0;
    found.checksum_bytes = static_cast<std::size_t>(use.column(4));
    found.link_id = use.column(5);
    found.token = use.column_text(6);
    found.progress = use.column_blob(7);
    rows.push_back(std::move(found));
  }
}

io::Result<std::optional<uint64_t>> CatalogueAudit::next_file(uint64_t from) {
  if (from > kMostInteger) return std::nullopt;
  Statement::Use use = next_file_.use();
  const io::Result<bool> row = use.bind(1, static_cast<int64_t>(from)).step();
  if (!row) return std::unexpected(row.error());
  const std::optional<int64_t> file = use.column_or_null(0);
  return file ? std::optional<uint64_t>(static_cast<uint64_t>(*file)) : std::nullopt;
}

io::Result<bool> CatalogueAudit::has_content() {
  const io::Result<int64_t> any = database_.read_int64("SELECT EXISTS (SELECT 1 FROM contents)", kOp);
  if (!any) return std::unexpected(any.error());
  return *any != 0;
}

io::Result<CatalogueTotals> CatalogueAudit::totals() {
  const io::Result<int64_t> links = database_.read_int64("SELECT count(*) FROM links", kOp);
  if (!links) return std::unexpected(links.error());
  const io::Result<int64_t> bytes = database_.read_int64("SELECT coalesce(sum(size), 0) FROM links", kOp);
  if (!bytes) return std::unexpected(bytes.error());
  return CatalogueTotals{static_cast<uint64_t>(*links), static_cast<uint64_t>(*bytes)};
}

// The row with its extents or content as of one moment: a server may remove the link between two looks.
io::Result<std::optional<NumberedLink>> CatalogueAudit::next_link(int64_t from) {
  const io::Result<> begun = database_.execute("BEGIN", kOp);
  if (!begun) return std::unexpected(begun.error());
  io::Result<std::optional<NumberedLink>> found = read_link(from);
  const io::Result<> ended = database_.execute("ROLLBACK", kOp);
  if (found && !ended) return std::unexpected(ended.error());
  return found;
}

io::Result<std::optional<NumberedLink>> CatalogueAudit::read_link(int64_t from) {
  NumberedLink found;
  {
    Statement::Use use = next_link_.use();
    const io::Result<bool> row = use.bind(1, from).step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return std::nullopt;
    found.id = use.column(0);
    found.link.token = use.column_text(1);
    found.link.size_bytes = static_cast<uint64_t>(use.column(2));
    found.link.sha256 = use.column_blob(3);
    found.link.sha512 = use.column_blob(4);
  }
  io::Result<> read = read_extents(found);
  if (read && found.link.extents.empty()) read = read_content(found);
  if (!read) return std::unexpected(read.error());
  return found;
}

io::Result<> CatalogueAudit::read_extents(NumberedLink& found) {
  Statement::Use use = extents_.use();
  use.bind(1, found.id);
  for (;;) {
    const io::Result<bool> row = use.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    Extent extent;
    extent.file = static_cast<uint64_t>(use.column(0));
    extent.length_bytes = static_cast<uint64_t>(use.column(1));
    extent.checksums = use.column_blob(2);
    found.link.extents.push_back(std::move(extent));
  }
}

io::Result<> CatalogueAudit::read_content(NumberedLink& found) {
  Statement::Use use = content_.use();
  const io::Result<bool> row = use.bind(1, found.id).step();
  if (!row) return std::unexpected(row.error());
  if (*row) found.link.content.emplace(std::string(use.column_blob(0)), std::string(use.column_blob(1)));
  return {};
}

}  // namespace ringdrop::db
