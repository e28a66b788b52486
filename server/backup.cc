#include "server/backup.h"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <optional>
#include <set>
#include <vector>

#include "db/catalogue_surgery.h"
#include "io/interruption.h"
#include "io/local_files.h"
#include "io/process_limits.h"
#include "io/signals.h"
#include "server/cli.h"
#include "server/maintenance.h"

namespace ringdrop::server {
namespace {

using db::FileRow;
using io::Errc;
using io::Result;
using storage::BlobId;

constexpr const char* kBackup = "backup";

class Backup {
 public:
  Backup(const BackupOptions& options, const DataDirectory& data, io::Interruption& interruption)
      : options_(options),
        target_(without_slashes(options.target)),
        partial_(target_ + ".partial"),
        data_(data),
        interruption_(interruption) {}

  int run();

 private:
  static std::string without_slashes(std::string path);
  Result<> check_target();
  Result<> make();
  Result<> copy_files(const io::LocalDirectory& blobs);
  Result<> copy_directory(const io::LocalDirectory& blobs, uint32_t number, const std::vector<FileRow>& rows);
  Result<> judge_missing(const FileRow& row);
  Result<> leave_out();
  int finish(const Result<>& result);

  const BackupOptions& options_;
  const std::string target_;
  const std::string partial_;
  const DataDirectory& data_;
  io::Interruption& interruption_;
  io::Duplication cheapest_ = io::Duplication::reflink;
  std::array<uint64_t, 3> files_by_way_{};
  std::set<int64_t> left_out_;
  uint64_t deleted_meanwhile_ = 0;
  uint64_t lost_ = 0;
};

std::string Backup::without_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

int Backup::run() {
  const Result<> checked = check_target();
  if (!checked) {
    const bool full = checked.error().code == Errc::exists;
    complain(kBackup, full ? "there is something already: give a new or an empty directory" : "cannot be used", target_,
             checked.error());
    return kExitConfig;
  }
  const Result<> made = io::make_local_directory(partial_);
  if (!made) {
    const bool left = made.error().code == Errc::exists;
    complain(kBackup, left ? "left by a backup that broke off: remove it" : "cannot be made", partial_, made.error());
    return kExitConfig;
  }
  return finish(make());
}

Result<> Backup::check_target() {
  const Result<io::LocalDirectory> there = io::LocalDirectory::open(target_);
  if (!there && there.error().code == Errc::not_found) return {};
  if (!there) return std::unexpected(there.error());
  const Result<std::vector<std::string>> names = there->list();
  if (!names) return std::unexpected(names.error());
  if (!names->empty()) return io::fail(Errc::exists, "list");
  return {};
}

int Backup::finish(const Result<>& result) {
  if (!result && result.error().code == Errc::cancelled) {
    std::fputs(fmt::format("backup: stopped; {} can be removed\n", partial_).c_str(), stdout);
    return kExitInterrupted;
  }
  if (!result) {
    complain(kBackup, "it broke off", partial_, result.error());
    return kExitConfig;
  }
  std::fputs(fmt::format("backup: {}: {} files reflinked, {} hard-linked, {} copied; {} links deleted meanwhile, "
                         "{} left out because their files are lost\n",
                         target_, files_by_way_[0], files_by_way_[1], files_by_way_[2], deleted_meanwhile_, lost_)
                 .c_str(),
             stdout);
  return lost_ == 0 ? 0 : kExitFindings;
}

Result<> Backup::make() {
  const Result<io::LocalDirectory> root = io::LocalDirectory::open(partial_);
  if (!root) return std::unexpected(root.error());
  for (const char* const name : {"blobs", "unsettled"}) {
    const Result<> made = root->make_directory(name);
    if (!made) return made;
  }
  const Result<io::LocalDirectory> blobs = root->open_directory("blobs");
  if (!blobs) return std::unexpected(blobs.error());
  const auto go_on = [this] { return !interruption_.requested(); };
  Result<> done = db::copy_catalogue(catalogue_path(options_.data_dir), catalogue_path(partial_), go_on);
  if (done) done = copy_files(*blobs);
  if (done) done = blobs->sync();
  if (done) done = leave_out();
  if (done) done = root->sync();
  if (done) done = io::rename_local_directory(partial_, target_);
  return done;
}

// By the copy's own rows: what is deleted in the original meanwhile does not change them.
Result<> Backup::copy_files(const io::LocalDirectory& blobs) {
  Result<db::CatalogueAudit> copy = db::CatalogueAudit::open(catalogue_path(partial_));
  if (!copy) return std::unexpected(copy.error());
  for (uint64_t next = 0;;) {
    const Result<std::optional<uint64_t>> file = copy->next_file(next);
    if (!file) return std::unexpected(file.error());
    if (!*file) return {};
    const uint32_t number = BlobId{**file}.directory();
    const uint64_t last = BlobId::make(number, storage::kFilesPerDirectory - 1).value;
    const Result<std::vector<FileRow>> rows = copy->files_between(**file, last);
    if (!rows) return std::unexpected(rows.error());
    const Result<> copied = copy_directory(blobs, number, *rows);
    if (!copied) return copied;
    next = last + 1;
  }
}

Result<> Backup::copy_directory(const io::LocalDirectory& blobs, uint32_t number, const std::vector<FileRow>& rows) {
  const std::string name = storage::directory_name(number);
  const Result<> made = blobs.make_directory(name);
  if (!made) return made;
  const Result<io::LocalDirectory> to = blobs.open_directory(name);
  if (!to) return std::unexpected(to.error());
  const Result<io::LocalDirectory> from = data_.tree.blobs().open_directory(name);
  if (!from && from.error().code != Errc::not_found) return std::unexpected(from.error());
  for (const FileRow& row : rows) {
    if (row.owner != FileRow::link) continue;
    if (interruption_.requested()) return io::fail(Errc::cancelled, kBackup);
    Result<io::Duplication> copied = io::fail(Errc::not_found, "open");
    if (from) copied = to->duplicate_from(*from, BlobId{row.file}.file_name(), cheapest_);
    if (!copied && copied.error().code == Errc::not_found) {
      const Result<> judged = judge_missing(row);
      if (!judged) return judged;
      continue;
    }
    if (!copied) return std::unexpected(copied.error());
    ++files_by_way_[static_cast<std::size_t>(*copied)];
  }
  return to->sync();
}

// Deleted since the catalogue was copied, or lost before.
Result<> Backup::judge_missing(const FileRow& row) {
  Result<db::CatalogueAudit> original = db::CatalogueAudit::open(catalogue_path(options_.data_dir));
  if (!original) return std::unexpected(original.error());
  const Result<std::vector<FileRow>> now = original->files_between(row.file, row.file);
  if (!now) return std::unexpected(now.error());
  const bool still_needed = !now->empty() && now->front().owner == FileRow::link;
  if (!left_out_.insert(row.link_id).second) return {};
  if (still_needed) {
    ++lost_;
    std::fputs(fmt::format("{}, of link {}: it is not there; the link is left out\n",
                           storage::path_in_data(BlobId{row.file}), shortened(row.token))
                   .c_str(),
               stdout);
  } else {
    ++deleted_meanwhile_;
  }
  return {};
}

Result<> Backup::leave_out() {
  Result<db::CatalogueSurgery> surgery =
      db::CatalogueSurgery::open(catalogue_path(partial_), db::CatalogueSurgery::Patient::copy);
  if (!surgery) return std::unexpected(surgery.error());
  const Result<> kept = surgery->keep_links_alone();
  if (!kept) return kept;
  // The files that they have in the copy nevertheless are garbage there: a server removes them.
  for (const int64_t link : left_out_) {
    const Result<> dropped = surgery->drop_link(link);
    if (!dropped) return dropped;
  }
  return surgery->commit();
}

}  // namespace

int run_backup(const BackupOptions& options) {
  io::keep_files_private();
  io::block_termination_signals();
  Result<io::Interruption> interruption = io::Interruption::open();
  if (!interruption) {
    complain(kBackup, "signals cannot be received", options.data_dir, interruption.error());
    return kExitConfig;
  }
  int exit_code = 0;
  const std::optional<DataDirectory> data = open_data_directory(kBackup, options.data_dir, exit_code);
  if (!data) return exit_code;
  return Backup(options, *data, *interruption).run();
}

}  // namespace ringdrop::server
