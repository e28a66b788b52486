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
  if (link.extents.empty() || link.extents.size() > kMostExtents) return false;
  uint64_t left = link.size_bytes;
  for (const Extent& extent : link.extents) {
    if (extent.length_bytes > left || extent.checksums.size() % kChecksumBytes != 0) return false;
    left -= extent.length_bytes;
  }
  return left == 0;
}

}  // namespace

io::Result<LinkTable> LinkTable::prepare(Database& database) {
  const auto prepare_one = [&](const char* sql, const char* op) { return Statement::prepare(database, sql, op); };
  auto insert_link = prepare_one(
      "INSERT INTO links (token, name, content_type, size, created_at_ms)"
      " VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
      "insert a link");
  if (!insert_link) return std::unexpected(insert_link.error());
  auto insert_extent = prepare_one(
      "INSERT INTO extents (file, link, position, length, checksums) VALUES (?1, ?2, ?3, ?4, ?5)", "insert an extent");
  if (!insert_extent) return std::unexpected(insert_extent.error());
  // A row an extent; a LEFT JOIN, so that a link which lost its extents is noticed.
  auto find = prepare_one(
      "SELECT l.id, l.name, l.content_type, l.size, l.created_at_ms, e.file, e.length, e.checksums,"
      " e.link IS NOT NULL FROM links l LEFT JOIN extents e ON e.link = l.id"
      " WHERE l.token = ?1 ORDER BY e.position",
      "find a link");
  if (!find) return std::unexpected(find.error());
  auto remove_extents = prepare_one("DELETE FROM extents WHERE link = ?1", "remove extents");
  if (!remove_extents) return std::unexpected(remove_extents.error());
  auto remove_link = prepare_one("DELETE FROM links WHERE id = ?1", "remove a link");
  if (!remove_link) return std::unexpected(remove_link.error());
  auto files_between = prepare_one("SELECT file FROM extents WHERE file BETWEEN ?1 AND ?2 ORDER BY file", "list files");
  if (!files_between) return std::unexpected(files_between.error());

  return LinkTable(Statements{*std::move(insert_link), *std::move(insert_extent), *std::move(find),
                              *std::move(remove_extents), *std::move(remove_link), *std::move(files_between)});
}

io::Result<> LinkTable::insert(const Link& link) {
  CHECK_THAT(is_consistent(link));
  int64_t id = 0;
  {
    Statement::Use use = statements_.insert_link.use();
    use.bind_text(1, link.token).bind_blob(2, link.name).bind_text(3, link.content_type);
    use.bind(4, to_integer(link.size_bytes)).bind(5, link.created_at_ms);
    const io::Result<bool> row = use.step();
    if (!row) return std::unexpected(row.error());
    CHECK_THAT(*row);  // RETURNING
    id = use.column(0);
    const io::Result<> ended = use.run();
    if (!ended) return ended;
  }
  int64_t position = 0;
  for (const Extent& extent : link.extents) {
    Statement::Use use = statements_.insert_extent.use();
    use.bind(1, to_integer(extent.file)).bind(2, id).bind(3, position);
    use.bind(4, to_integer(extent.length_bytes)).bind_blob(5, extent.checksums);
    const io::Result<> inserted = use.run();
    if (!inserted) return inserted;
    ++position;
  }
  return {};
}

io::Result<std::optional<LinkTable::Row>> LinkTable::find_row(std::string_view token) {
  Statement::Use use = statements_.find.use();
  use.bind_text(1, token);
  std::optional<Row> found;
  while (true) {
    const io::Result<bool> row = use.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) break;
    if (!found) {
      found.emplace();
      found->id = use.column(0);
      found->link.token = token;
      found->link.name = use.column_blob(1);
      found->link.content_type = use.column_text(2);
      found->link.size_bytes = static_cast<uint64_t>(use.column(3));
      found->link.created_at_ms = use.column(4);
    }
    const bool has_extent = use.column(8) != 0;
    if (!has_extent) continue;
    Extent extent;
    extent.file = static_cast<uint64_t>(use.column(5));
    extent.length_bytes = static_cast<uint64_t>(use.column(6));
    extent.checksums = use.column_blob(7);
    found->link.extents.push_back(std::move(extent));
  }
  return found;
}

io::Result<std::optional<Link>> LinkTable::find(std::string_view token) {
  io::Result<std::optional<Row>> row = find_row(token);
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::nullopt;
  if (!is_consistent((*row)->link)) return io::fail(io::Errc::corrupt, "find a link");
  return std::move((*row)->link);
}

io::Result<std::optional<Link>> LinkTable::remove(std::string_view token) {
  io::Result<std::optional<Row>> row = find_row(token);
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::nullopt;
  for (Statement* const statement : {&statements_.remove_extents, &statements_.remove_link}) {
    Statement::Use use = statement->use();
    const io::Result<> removed = use.bind(1, (*row)->id).run();
    if (!removed) return std::unexpected(removed.error());
  }
  return std::move((*row)->link);
}

io::Result<std::vector<uint64_t>> LinkTable::files_between(uint64_t first, uint64_t last) {
  std::vector<uint64_t> files;
  if (first > kMostInteger) return files;
  Statement::Use use = statements_.files_between.use();
  use.bind(1, to_integer(first)).bind(2, to_integer(std::min(last, kMostInteger)));
  while (true) {
    const io::Result<bool> row = use.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) break;
    files.push_back(static_cast<uint64_t>(use.column(0)));
  }
  return files;
}

}  // namespace ringdrop::db
