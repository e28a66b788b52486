#include "db/transaction.h"

#include <utility>

#include "base/check.h"

namespace ringdrop::db {

io::Result<Transaction> Transaction::begin(Database& database) {
  const io::Result<> begun = database.execute("BEGIN IMMEDIATE", "begin a transaction");
  if (!begun) return std::unexpected(begun.error());
  return Transaction(database);
}

Transaction::Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
  roll_back();
}

void Transaction::roll_back() {
  Database* const database = std::exchange(database_, nullptr);
  if (database == nullptr || !database->in_transaction()) return;
  // Fails only where SQLite has rolled back already.
  static_cast<void>(database->execute("ROLLBACK", "roll back"));
}

io::Result<> Transaction::commit() {
  CHECK_THAT(database_ != nullptr);
  io::Result<> committed = database_->execute("COMMIT", "commit");
  if (committed) database_ = nullptr;
  // Memory is taken behind the sync as well, for the log's index. To others "exhausted" is that nothing was done.
  if (!committed && committed.error().code == io::Errc::exhausted) {
    return io::fail(io::Errc::system, "commit", committed.error().sys_errno);
  }
  return committed;
}

io::Result<Savepoint::Statements> Savepoint::Statements::prepare(Database& database) {
  io::Result<Statement> begin = Statement::prepare(database, "SAVEPOINT part", "begin a savepoint");
  if (!begin) return std::unexpected(begin.error());
  io::Result<Statement> release = Statement::prepare(database, "RELEASE part", "release a savepoint");
  if (!release) return std::unexpected(release.error());
  return Statements{*std::move(begin), *std::move(release)};
}

io::Result<Savepoint> Savepoint::begin(Database& database, Statements& statements) {
  const io::Result<> begun = statements.begin.use().run();
  if (!begun) return std::unexpected(begun.error());
  return Savepoint(database, statements);
}

Savepoint::Savepoint(Savepoint&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)), statements_(other.statements_) {}

Savepoint::~Savepoint() {
  if (database_ == nullptr || !database_->in_transaction()) return;
  static_cast<void>(database_->execute("ROLLBACK TO part; RELEASE part", "undo a savepoint"));
}

io::Result<> Savepoint::keep() {
  CHECK_THAT(database_ != nullptr);
  io::Result<> kept = statements_.release.use().run();
  if (kept) database_ = nullptr;
  return kept;
}

}  // namespace ringdrop::db
