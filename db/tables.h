// All tables of the catalogue over one connection.
#pragma once

#include <utility>

#include "db/link_numbers.h"
#include "db/link_table.h"
#include "db/sqlite.h"
#include "db/upload_table.h"

namespace ringdrop::db {

struct Tables {
  LinkTable links;
  UploadTable uploads;

  // `numbers` outlives them.
  static io::Result<Tables> prepare(Database& database, LinkNumbers& numbers) {
    io::Result<LinkTable> links = LinkTable::prepare(database, numbers);
    if (!links) return std::unexpected(links.error());
    io::Result<UploadTable> uploads = UploadTable::prepare(database);
    if (!uploads) return std::unexpected(uploads.error());
    return Tables{*std::move(links), *std::move(uploads)};
  }
};

}  // namespace ringdrop::db
