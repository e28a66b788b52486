#include "db/catalogue_surgery.h"

#include <utility>

namespace ringdrop::db {
namespace {

constexpr const char* kOp = "take rows out of the catalogue";

}  // namespace

io::Result<> copy_catalogue(const std::string& from, const std::string& to, const std::function<bool()>& between) {
  OpenOptions options;
  options.path = from;
  options.role = Role::reader;
  io::Result<Database> source = Database::open(options);
  if (!source) return std::unexpected(source.error());
  options.path = to;
  options.role = Role::copy;
  io::Result<Database> target = Database::open(options);
  if (!target) return std::unexpected(target.error());
  return source->copy_to(*target, between);
}

io::Result<CatalogueSurgery> CatalogueSurgery::open(const std::string& path, Patient patient) {
  OpenOptions options;
  options.path = path;
  options.role = patient == Patient::copy ? Role::copy : Role::writer;
  io::Result<Database> database = Database::open(options);
  if (!database) return std::unexpected(database.error());
  const io::Result<WalFrames> emptied = database->checkpoint(CheckpointMode::truncate);
  if (!emptied) return std::unexpected(emptied.error());
  const io::Result<> begun = database->execute("BEGIN IMMEDIATE", kOp);
  if (!begun) return std::unexpected(begun.error());
  return CatalogueSurgery(*std::move(database));
}

io::Result<> CatalogueSurgery::run(const char* sql, int64_t parameter) {
  io::Result<Statement> statement = Statement::prepare(database_, sql, kOp);
  if (!statement) return std::unexpected(statement.error());
  Statement::Use use = statement->use();
  return use.bind(1, parameter).run();
}

io::Result<> CatalogueSurgery::drop_link(int64_t link_id) {
  for (const char* const sql :
       {"INSERT OR IGNORE INTO garbage (file) SELECT file FROM all_extents WHERE link = ?1",
        "DELETE FROM extents WHERE link = ?1", "DELETE FROM contents WHERE link = ?1",
        "DELETE FROM tokens WHERE token = (SELECT token FROM links WHERE id = ?1) AND link = ?1",
        "DELETE FROM links WHERE id = ?1"}) {
    const io::Result<> done = run(sql, link_id);
    if (!done) return done;
  }
  return {};
}

io::Result<> CatalogueSurgery::drop_upload(uint64_t file) {
  const auto number = static_cast<int64_t>(file);
  const io::Result<> listed = run("INSERT OR IGNORE INTO garbage (file) VALUES (?1)", number);
  if (!listed) return listed;
  return run("DELETE FROM uploads WHERE file = ?1", number);
}

io::Result<> CatalogueSurgery::keep_links_alone() {
  return database_.execute("DELETE FROM uploads WHERE state = 0 OR file IS NOT NULL; DELETE FROM garbage", kOp);
}

io::Result<> CatalogueSurgery::commit() {
  const io::Result<> committed = database_.execute("COMMIT", kOp);
  if (!committed) return committed;
  const io::Result<WalFrames> emptied = database_.checkpoint(CheckpointMode::truncate);
  if (!emptied) return std::unexpected(emptied.error());
  return {};
}

}  // namespace ringdrop::db
