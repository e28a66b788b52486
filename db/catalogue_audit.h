// The catalogue as those see it who compare it with what is on disk (fsck, scrub, backup): which row needs which file,
// and where rows contradict each other. Reads only, beside a running server or without one.
//
// Blocking. Every call sees the catalogue of its own moment, so that a long walk keeps no old state alive (which would
// make the write-ahead log grow, as damage() does): who finds something odd asks again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "db/link.h"
#include "db/link_numbers.h"
#include "db/sqlite.h"
#include "db/upload.h"
#include "io/error.h"

namespace ringdrop::db {

// A file and what the catalogue says of it.
struct FileRow {
  enum Owner : uint8_t { link, upload, garbage };

  uint64_t file = 0;
  Owner owner = link;
  uint64_t length_bytes = 0;       // of a link's extent, and of an upload that is complete
  bool is_open = false;            // an unfinished upload: its length is not known
  std::size_t checksum_bytes = 0;  // of a link's extent
  int64_t link_id = 0;             // 0 for others
  std::string token;               // of the link; "" for others
  std::string progress;            // of an upload
};

struct NumberedLink {
  int64_t id = 0;
  Link link;  // token, size, digests, extents, content; nothing else is filled
};

struct CatalogueTotals {
  uint64_t links = 0;
  uint64_t bytes = 0;
};

// Errors of all: corrupt, exhausted, system.
class CatalogueAudit {
 public:
  // refused: of another version than this program's (an older one: the server brings it up to date).
  static io::Result<CatalogueAudit> open(const std::string& path);
  CatalogueAudit(CatalogueAudit&&) = default;
  CatalogueAudit& operator=(CatalogueAudit&&) = delete;  // would close a connection before its statements

  // What SQLite finds wrong with the file's structure: at most some lines, none when all is well. Reads all of it at
  // one moment: until it ends, a server's write-ahead log grows by what is committed.
  io::Result<std::vector<std::string>> damage();
  // What contradicts itself: links that are not the sum of their extents or of another size than their content,
  // extents and contents of nobody, files with two owners, links to which no token leads.
  // At most `most` lines of each kind.
  io::Result<std::vector<std::string>> contradictions(uint64_t most);

  // All rows with files from `first` to `last`, both included, ascending.
  io::Result<std::vector<FileRow>> files_between(uint64_t first, uint64_t last);
  // The lowest file from `from` on that a link or an upload has.
  io::Result<std::optional<uint64_t>> next_file(uint64_t from);

  // Whether any link has content.
  io::Result<bool> has_content();

  io::Result<CatalogueTotals> totals();
  // The link with the lowest id from `from` on.
  io::Result<std::optional<NumberedLink>> next_link(int64_t from);

 private:
  CatalogueAudit(Database database, std::unique_ptr<LinkNumbers> numbers)
      : database_(std::move(database)), numbers_(std::move(numbers)) {}
  io::Result<> prepare();
  io::Result<> add_unreachable(uint64_t most, std::vector<std::string>& lines);
  io::Result<std::optional<NumberedLink>> read_link(int64_t from);
  io::Result<> read_extents(NumberedLink& found);
  io::Result<> read_content(NumberedLink& found);

  Database database_;
  std::unique_ptr<LinkNumbers> numbers_;  // null: there is no key that fits
  Statement files_between_;
  Statement next_file_;
  Statement next_link_;
  Statement extents_;
  Statement content_;
};

}  // namespace ringdrop::db
