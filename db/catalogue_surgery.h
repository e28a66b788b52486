// Takes rows out of a catalogue that no server has open: of a copy what the copy has no files for, of the original what
// cannot be had any more. And makes the copy. Blocking.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "db/sqlite.h"
#include "io/error.h"

namespace ringdrop::db {

// A catalogue at `to`, where there is nothing yet, that is what the one at `from` is at this moment; durable but for
// the entry in its directory. A server may go on with `from`. `between`: Database::copy_to(). cancelled, corrupt,
// no_space, system.
io::Result<> copy_catalogue(const std::string& from, const std::string& to, const std::function<bool()>& between);

// All errors: no_space, corrupt, exhausted, system. Nothing is changed before commit().
class CatalogueSurgery {
 public:
  // original: what an unclean stop has left in the write-ahead log is taken over first. copy: see Role::copy.
  enum class Patient : uint8_t { original, copy };
  static io::Result<CatalogueSurgery> open(const std::string& path, Patient patient);

  // The link is unknown from now on, its files are garbage.
  io::Result<> drop_link(int64_t link_id);
  // The upload that owns the file is unknown, its file is garbage.
  io::Result<> drop_upload(uint64_t file);
  // Everything but links: uploads that own a file, and the list of garbage.
  io::Result<> keep_links_alone();

  // What was dropped is gone, durably and all at once. Ends the surgery.
  io::Result<> commit();

 private:
  explicit CatalogueSurgery(Database database) : database_(std::move(database)) {}
  io::Result<> run(const char* sql, int64_t parameter);

  Database database_;
};

}  // namespace ringdrop::db
