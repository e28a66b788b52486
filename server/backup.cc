#include "server/backup.h"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <optional>
#include <set>
#include <vector>

#include "db/catalogue_surgery.h"
#include "io/file_duplicator.h"
#include "io/interruption.h"
#include "io/local_files.h"
#include "io/process_limits.h"
#include "io/signals.h"
#include "server/backup_place.h"
#include "server/cli.h"
#include "server/maintenance.h"
#include "server/pace.h"
#include "server/status_line.h"

namespace ringdrop::server {
namespace {

using db::FileRow;
using io::Duplication;
using io::Errc;
using io::LocalDirectory;
using io::Result;
using storage::BlobId;

constexpr const char* kBackup = "backup";

class Backup {
 public:
  Backup(const BackupOptions& options, DataDirectory& data, BackupPlace& place, io::Interruption& interruption)
      : options_(options),
        data_(data),
        place_(place),
        interruption_(interruption),
        pace_(options.bytes_per_second),
        duplicator_([this](uint64_t bytes) { return pause_after(bytes); }) {}

  int run();

 private:
  Result<> make();
  Result<> copy_files(const LocalDirectory& blobs);
  Result<> copy_directory(const LocalDirectory& blobs, uint32_t number, const std::vector<FileRow>& rows);
  Result<> copy_file(const Result<LocalDirectory>& from, const LocalDirectory& to, const FileRow& row);
  bool pause_after(uint64_t copied_bytes);
  Result<> leave_out(const FileRow& row, const std::string& trouble);
  Result<> drop_left_out();
  void show_progress();
  int finish(const Result<>& result);
  uint64_t& files_by(Duplication way) { return files_by_way_[static_cast<std::size_t>(way)]; }

  const BackupOptions& options_;
  DataDirectory& data_;
  BackupPlace& place_;
  io::Interruption& interruption_;
  Pace pace_;
  io::FileDuplicator duplicator_;
  StatusLine status_;
  db::CatalogueTotals totals_;
  std::array<uint64_t, 3> files_by_way_{};
  uint64_t copied_bytes_ = 0;
  uint64_t bytes_ = 0;  // of files that are there, in whatever way
  std::set<int64_t> lost_;
  std::set<int64_t> deleted_meanwhile_;
};

int Backup::run() {
  const Result<> result = make();
  status_.clear();
  return finish(result);
}

int Backup::finish(const Result<>& result) {
  if (!result && result.error().code == Errc::cancelled) {
    std::fputs(fmt::format("backup: stopped; the next backup to {} begins again and removes {}\n", place_.target(),
                           place_.partial())
                   .c_str(),
               stdout);
    return kExitInterrupted;
  }
  if (!result) {
    complain(kBackup, "it broke off; the next one removes what is there", place_.partial(), result.error());
    return kExitConfig;
  }
  const Result<> named = place_.sync_name();
  if (!named) {
    complain(kBackup, "all of it is there, but a power cut may take its name", place_.target(), named.error());
    return kExitConfig;
  }
  std::fputs(fmt::format("backup: {}: {} files reflinked, {} hard-linked, {} copied; {} links deleted meanwhile, "
                         "{} left out because their files are lost\n",
                         place_.target(), files_by(Duplication::reflink), files_by(Duplication::hard_link),
                         files_by(Duplication::copy), deleted_meanwhile_.size(), lost_.size())
                 .c_str(),
             stdout);
  return lost_.empty() ? 0 : kExitFindings;
}

Result<> Backup::make() {
  const LocalDirectory& root = place_.root();
  for (const char* const name : {"blobs", "unsettled"}) {
    const Result<> made = root.make_directory(name);
    if (!made) return made;
  }
  const Result<LocalDirectory> blobs = root.open_directory("blobs");
  if (!blobs) return std::unexpected(blobs.error());
  const auto go_on = [this] { return !interruption_.requested(); };
  Result<> done = db::copy_catalogue(catalogue_path(options_.data_dir), catalogue_path(place_.partial()), go_on);
  if (done) done = copy_files(*blobs);
  if (done) done = blobs->sync();
  // What a server with `durability = "process"` has taken is in the page cache alone. Once for all: an fdatasync of
  // each file would flush the device as often.
  if (done && files_by(Duplication::hard_link) > 0) done = root.sync_file_system();
  if (done) done = drop_left_out();
  if (done) done = root.sync();
  if (done) done = place_.become_target();
  return done;
}

// By the copy's own rows: what is deleted in the original meanwhile does not change them.
Result<> Backup::copy_files(const LocalDirectory& blobs) {
  Result<db::CatalogueAudit> copy = db::CatalogueAudit::open(catalogue_path(place_.partial()));
  if (!copy) return std::unexpected(copy.error());
  const Result<db::CatalogueTotals> totals = copy->totals();
  if (!totals) return std::unexpected(totals.error());
  totals_ = *totals;
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

Result<> Backup::copy_directory(const LocalDirectory& blobs, uint32_t number, const std::vector<FileRow>& rows) {
  const std::string name = storage::directory_name(number);
  const Result<> made = blobs.make_directory(name);
  if (!made) return made;
  const Result<LocalDirectory> to = blobs.open_directory(name);
  if (!to) return std::unexpected(to.error());
  const Result<LocalDirectory> from = data_.tree.blobs().open_directory(name);
  if (!from && from.error().code == Errc::exhausted) return std::unexpected(from.error());
  for (const FileRow& row : rows) {
    if (row.owner != FileRow::link) continue;
    if (interruption_.requested()) return io::fail(Errc::cancelled, kBackup);
    const Result<> copied = copy_file(from, *to, row);
    if (!copied) return copied;
    bytes_ += row.length_bytes;
    show_progress();
  }
  return to->sync();
}

// That one file of the original cannot be had is no reason to have none; that there is no room for it is.
Result<> Backup::copy_file(const Result<LocalDirectory>& from, const LocalDirectory& to, const FileRow& row) {
  if (!from) return leave_out(row, io::describe(from.error()));
  const std::string name = BlobId{row.file}.file_name();
  const Result<io::ScannedFile> file = from->open_scanned(name);
  if (!file && file.error().code == Errc::exhausted) return std::unexpected(file.error());
  if (!file && file.error().code == Errc::corrupt) return leave_out(row, "it is no regular file");
  if (!file) return leave_out(row, io::describe(file.error()));
  if (file->size_bytes() != row.length_bytes) {
    return leave_out(row, fmt::format("it has {} bytes instead of {}", file->size_bytes(), row.length_bytes));
  }
  const Result<Duplication> copied = duplicator_.duplicate(*from, name, *file, to);
  if (copied) {
    ++files_by(*copied);
    return {};
  }
  const Errc code = copied.error().code;
  if (code == Errc::exists) return {};  // as another link's: a contradiction, of which fsck tells
  if (code == Errc::not_found || code == Errc::corrupt) return leave_out(row, io::describe(copied.error()));
  return std::unexpected(copied.error());
}

bool Backup::pause_after(uint64_t copied_bytes) {
  copied_bytes_ += copied_bytes;
  show_progress();
  return !interruption_.wait_for(pace_.after(copied_bytes));
}

void Backup::show_progress() {
  if (!status_.is_due()) return;
  status_.show(fmt::format("backup: {} of {} MiB are there, {} MiB copied, {} links lost", bytes_ / kMiB,
                           totals_.bytes / kMiB, copied_bytes_ / kMiB, lost_.size()));
}

// Deleted since the catalogue was copied, or lost.
Result<> Backup::leave_out(const FileRow& row, const std::string& trouble) {
  const Result<std::vector<FileRow>> now = data_.catalogue.files_between(row.file, row.file);
  if (!now) return std::unexpected(now.error());
  const bool is_needed = std::ranges::any_of(*now, [](const FileRow& one) { return one.owner == FileRow::link; });
  if (!is_needed) {
    deleted_meanwhile_.insert(row.link_id);
    return {};
  }
  lost_.insert(row.link_id);
  status_.clear();
  std::fputs(fmt::format("lost: {}, of link {}: {}; the link is left out\n", storage::path_in_data(BlobId{row.file}),
                         shortened(row.token), trouble)
                 .c_str(),
             stdout);
  std::fflush(stdout);
  return {};
}

Result<> Backup::drop_left_out() {
  Result<db::CatalogueSurgery> surgery =
      db::CatalogueSurgery::open(catalogue_path(place_.partial()), db::CatalogueSurgery::Patient::copy);
  if (!surgery) return std::unexpected(surgery.error());
  const Result<> kept = surgery->keep_links_alone();
  if (!kept) return kept;
  // The files that they have in the copy nevertheless are garbage there: a server removes them.
  for (const std::set<int64_t>* const links : {&lost_, &deleted_meanwhile_}) {
    for (const int64_t link : *links) {
      const Result<> dropped = surgery->drop_link(link);
      if (!dropped) return dropped;
    }
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
  std::optional<DataDirectory> data = open_data_directory(kBackup, options.data_dir, exit_code);
  if (!data) return exit_code;
  const LocalDirectory* const elsewhere = options.other_file_system ? &data->tree.blobs() : nullptr;
  std::optional<BackupPlace> place = BackupPlace::take(options.target, elsewhere, *interruption, exit_code);
  if (!place) return exit_code;
  return Backup(options, *data, *place, *interruption).run();
}

}  // namespace ringdrop::server
