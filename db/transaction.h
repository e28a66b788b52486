// A transaction and a part of one, which end with their scope.
#pragma once

#include "db/sqlite.h"
#include "io/error.h"

namespace ringdrop::db {

// A write transaction, rolled back by the destructor unless commit() succeeded.
class Transaction {
 public:
  // BEGIN IMMEDIATE: exhausted when another connection writes for longer than the busy timeout.
  static io::Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // After a failure that is not no_space nobody knows whether the transaction is in the log: it is
  // invisible now and may appear, whole, when the file is opened again.
  io::Result<> commit();
  // Now, not at the end of the scope.
  void roll_back();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;  // null: over
};

// A part of a transaction that can be undone alone: undone by the destructor unless keep() was
// called. They do not nest here.
class Savepoint {
 public:
  // What a connection has prepared for all of its savepoints: every write has one.
  struct Statements {
    Statement begin;
    Statement release;

    // They go before the database. system, corrupt, exhausted.
    static io::Result<Statements> prepare(Database& database);
  };

  // `statements` are of this database; both outlive it.
  static io::Result<Savepoint> begin(Database& database, Statements& statements);
  Savepoint(Savepoint&& other) noexcept;
  Savepoint& operator=(Savepoint&&) = delete;
  ~Savepoint();

  io::Result<> keep();

 private:
  Savepoint(Database& database, Statements& statements) : database_(&database), statements_(statements) {}
  Database* database_;  // null: over
  Statements& statements_;
};

}  // namespace ringdrop::db
