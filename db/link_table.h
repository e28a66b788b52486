// The tables `links` and `extents` over one connection: the SQL of links, and nothing about threads
// or transactions. Writes are made inside a Savepoint of a Transaction: a failed one is undone by
// the caller.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "db/link.h"
#include "db/sqlite.h"
#include "io/error.h"

namespace ringdrop::db {

// Blocking, on the connection's thread. Every function: system, corrupt, exhausted as in sqlite.h.
class LinkTable {
 public:
  // Prepares the statements. The database is migrated and outlives the table.
  static io::Result<LinkTable> prepare(Database& database);

  // exists: the token or one of the files is taken. no_space.
  io::Result<> insert(const Link& link);
  // One statement, so one snapshot. corrupt: the extents do not add up to the link.
  io::Result<std::optional<Link>> find(std::string_view token);
  // The link that is gone, as it was stored, for its files; nullopt when there was none. no_space.
  io::Result<std::optional<Link>> remove(std::string_view token);
  // Those in [first, last] that are an extent of any link, ascending.
  io::Result<std::vector<uint64_t>> files_between(uint64_t first, uint64_t last);

 private:
  struct Statements {
    Statement insert_link;
    Statement insert_extent;
    Statement find;
    Statement remove_extents;
    Statement remove_link;
    Statement files_between;
  };
  explicit LinkTable(Statements statements) : statements_(std::move(statements)) {}

  struct Row {
    int64_t id;
    Link link;
  };
  io::Result<std::optional<Row>> find_row(std::string_view token);

  Statements statements_;
};

}  // namespace ringdrop::db
