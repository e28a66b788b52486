// The tables `links`, `tokens`, `extents`, `contents` and `garbage` over one connection: the SQL of links, and nothing
// about threads or transactions. Writes are made inside a Savepoint of a Transaction: a failed one is undone by the
// caller.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "db/link.h"
#include "db/link_numbers.h"
#include "db/sqlite.h"
#include "io/clock.h"
#include "io/error.h"

namespace ringdrop::db {

// Finished downloads of one link, to be added to its count.
struct DownloadCount {
  std::string token;
  uint64_t downloads = 0;
};

// Blocking, on the connection's thread. Every function: system, corrupt, exhausted as in sqlite.h;
// those that write: no_space.
class LinkTable {
 public:
  // Prepares the statements. The database is migrated; it and `numbers` outlive the table.
  static io::Result<LinkTable> prepare(Database& database, LinkNumbers& numbers);

  // exists: the token or one of the files is taken.
  io::Result<> insert(const Link& link);
  // The row, its extents and its content are of one moment. nullopt: unknown, expired at `now_ms`, or used up. corrupt:
  // its extents or its content do not add up to the link.
  io::Result<std::optional<Link>> find(std::string_view token, io::EpochMs now_ms);
  // The link is gone and its files are garbage; false: it has not ended by `now_ms`, or there is none.
  io::Result<bool> remove_ended(std::string_view token, io::EpochMs now_ms);
  // false: there is no such link, or it has ended by `now_ms`.
  io::Result<bool> set_expiry(std::string_view token, std::optional<io::EpochMs> expires_at_ms, io::EpochMs now_ms);

  // One download of a limited link goes through to its last piece; false: none is left. A link that has
  // expired meanwhile still has them: running downloads finish. settle_download() follows, whatever
  // becomes of it.
  io::Result<bool> take_download(std::string_view token);
  // It ended: it counts, or is given back.
  io::Result<> settle_download(std::string_view token, bool completed);
  // At start: what was let through by a process that is gone counts, since nobody knows.
  io::Result<> settle_all_downloads();
  // Adds to the counts; unknown tokens are ignored.
  io::Result<> count_downloads(std::span<const DownloadCount> counts);

  // Tokens of links that have expired by `now_ms` or are used up with no download under way; at most
  // `most`.
  io::Result<std::vector<std::string>> ended(io::EpochMs now_ms, uint64_t most);
  // Files of removed links, ascending; at most `most`.
  io::Result<std::vector<uint64_t>> garbage(uint64_t most);
  // They are gone from the disk.
  io::Result<> forget_garbage(std::span<const uint64_t> files);
  // Those in [first, last] that are an extent of any link, ascending.
  io::Result<std::vector<uint64_t>> files_between(uint64_t first, uint64_t last);

 private:
  struct Statements {
    Statement insert_link;
    Statement insert_token;
    Statement insert_extent;
    Statement find_file;
    Statement insert_content;
    Statement find_token;
    Statement find;
    Statement id_of_ended;
    Statement lost_id_of_ended;
    Statement make_garbage;
    Statement remove_extents;
    Statement remove_content;
    Statement remove_link;
    Statement remove_token;
    Statement set_expiry;
    Statement take_download;
    Statement settle_download;
    Statement settle_all_downloads;
    Statement count_downloads;
    Statement expired;
    Statement used_up;
    Statement garbage;
    Statement forget_garbage;
    Statement files_between;
  };
  struct Sql;
  static const Sql kSql[];
  LinkTable(Statements statements, LinkNumbers& numbers) : statements_(std::move(statements)), numbers_(&numbers) {}

  io::Result<int64_t> make_id(std::string_view token);
  io::Result<std::optional<int64_t>> id_of(std::string_view token);
  io::Result<bool> update(Statement& statement, std::string_view token, std::optional<int64_t> value);
  io::Result<> insert_extents(int64_t id, std::span<const Extent> extents);
  io::Result<> insert_content(int64_t id, const Content& content);

  Statements statements_;
  LinkNumbers* numbers_;
};

}  // namespace ringdrop::db
