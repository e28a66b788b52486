// A catalogue on a disk with faults to order (FaultyVfs), and links by threes: a batch is there as a whole or not at
// all.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "db/catalogue.h"
#include "db/sqlite.h"
#include "tests/db/catalogue_fixture.h"
#include "tests/db/faulty_vfs.h"

namespace ringdrop::test {

using Outcomes = std::vector<std::optional<io::Result<>>>;

struct FaultyFixture {
  db::CatalogueOptions options() const {
    db::CatalogueOptions options;
    options.path = directory.file("catalogue.sqlite");
    return options;
  }
  db::CatalogueOptions faulty_options() const {
    db::CatalogueOptions how = options();
    how.vfs = vfs.name();
    return how;
  }
  // In one batch.
  Outcomes insert(SteppedCatalogue& parts, std::span<const db::Link> links) {
    Outcomes outcomes(links.size());
    io::TaskScope scope(loop.loop());
    for (std::size_t i = 0; i < links.size(); ++i) {
      scope.spawn(insert_into(parts.catalogue, loop.loop(), links[i], outcomes[i]));
    }
    parts.writer.run_batch();
    drain(loop.loop(), scope);
    return outcomes;
  }
  // Links `first` to `first` + 2.
  Outcomes insert_three(SteppedCatalogue& parts, uint64_t first) {
    return insert(parts, std::array{make_link(first), make_link(first + 1), make_link(first + 2)});
  }
  std::optional<io::Result<>> probe(SteppedCatalogue& parts) {
    std::optional<io::Result<>> outcome;
    io::TaskScope scope(loop.loop());
    scope.spawn(test::probe(parts.catalogue, loop.loop(), outcome));
    parts.writer.run_batch();
    drain(loop.loop(), scope);
    return outcome;
  }
  // Links from `first` on, until a checkpoint is due. The next number.
  uint64_t outgrow(SteppedCatalogue& parts, uint64_t checkpoint_bytes, uint64_t first) {
    while (parts.catalogue.wal_bytes() <= checkpoint_bytes) {
      for (const auto& outcome : insert_three(parts, first)) REQUIRE(outcome->has_value());
      first += 3;
    }
    return first;
  }
  // Sees what is there now, for as long as it lives: newer frames stay in the log.
  db::Database hold_snapshot() {
    db::OpenOptions how;
    how.path = options().path;
    db::Database reader = *db::Database::open(how);
    REQUIRE(reader.execute("BEGIN; SELECT count(*) FROM links", "read"));
    return reader;
  }
  // How many of links `first` to `first` + 2 there are.
  std::size_t count_three(db::Catalogue& catalogue, uint64_t first) {
    std::size_t count = 0;
    for (uint64_t i = first; i < first + 3; ++i) {
      const auto found = loop.run(catalogue.find(loop.loop(), make_link(i).token, kNow));
      REQUIRE(found.has_value());
      if (*found) ++count;
    }
    return count;
  }

  TemporaryDirectory directory;
  FaultyVfs vfs;
  LoopFixture loop;
};

}  // namespace ringdrop::test
