// How the catalogue's tables came to be: an ordered list of steps that is only ever appended to.
// The number of steps that a file has seen is its PRAGMA user_version.
#pragma once

#include <span>

#include "db/sqlite.h"
#include "io/error.h"

namespace ringdrop::db {

// Step i leads from user_version i to i + 1. SQL of one or more statements.
std::span<const char* const> catalogue_migrations();

// Brings the file up to date, each step in a transaction of its own together with its new number. true: it was not.
// refused: the file was written by a newer version of the program; it is left as it is.
io::Result<bool> migrate(Database& database, std::span<const char* const> migrations = catalogue_migrations());

}  // namespace ringdrop::db
