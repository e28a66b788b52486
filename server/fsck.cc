#include "server/fsck.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "db/catalogue_surgery.h"
#include "io/process_limits.h"
#include "server/cli.h"
#include "server/maintenance.h"
#include "server/upload_checkpoint.h"

namespace ringdrop::server {
namespace {

using db::FileRow;
using io::Result;
using storage::BlobId;
using storage::FoundBlob;
using Rows = std::vector<FileRow>;

constexpr const char* kFsck = "fsck";
constexpr uint64_t kLinesAKind = 20;

std::string owner_of(const FileRow& row) {
  return row.owner == FileRow::link ? "link " + shortened(row.token) : std::string("an upload");
}

uint64_t checksum_bytes_for(uint64_t length) {
  return (length + db::kChecksummedBytes - 1) / db::kChecksummedBytes * db::kChecksumBytes;
}

struct Trouble {
  std::string text;
  bool bytes_are_lost = true;  // and with them what they were kept for
};

// What is wrong with a file that somebody needs; nullopt: nothing.
std::optional<Trouble> trouble_with(const FileRow& row, const FoundBlob& blob) {
  // The bytes may be behind it, or beside it under another name: whoever has put it there can say.
  if (!blob.regular) return Trouble{"it is no regular file; the row is left alone", false};
  if (row.owner == FileRow::upload && row.is_open) {
    const std::optional<UploadCheckpoint> checkpoint = decode_checkpoint(row.progress);
    if (!checkpoint) return Trouble{"what is noted of its bytes cannot be read"};
    const uint64_t told = std::min(checkpoint->durable_bytes, checkpoint->cut_to.value_or(UINT64_MAX));
    if (blob.size_bytes >= told) return std::nullopt;
    return Trouble{fmt::format("it has {} bytes, and {} were acknowledged", blob.size_bytes, told)};
  }
  if (blob.size_bytes != row.length_bytes) {
    return Trouble{fmt::format("it has {} bytes instead of {}", blob.size_bytes, row.length_bytes)};
  }
  // The file is served as before, and is more to its owner than what proves it. Checksums made now would vouch for rot
  // too, so none are.
  if (row.owner == FileRow::link && row.checksum_bytes != checksum_bytes_for(row.length_bytes)) {
    return Trouble{"its checksums are not as many as they should be; the link is left alone", false};
  }
  return std::nullopt;
}

class Fsck {
 public:
  Fsck(const FsckOptions& options, DataDirectory& data) : options_(options), tree_(data.tree), db_(data.catalogue) {}

  // The exit code.
  int run();

 private:
  Result<> check_catalogue();
  Result<> check_files();
  Result<> check_directory(uint32_t number);
  void report_unreachable(const Rows& rows);
  Result<bool> look_again(BlobId id);
  Result<bool> judge_orphan(const FoundBlob& blob, bool marked);
  void judge_needed(const Rows& rows, BlobId id, const std::optional<FoundBlob>& blob);
  void report_strangers(const std::string& where, const std::vector<std::string>& names);
  Result<> drop_broken();
  void finding(const std::string& line);
  int finish(const Result<>& result);

  const FsckOptions& options_;
  const storage::BlobTree& tree_;
  db::CatalogueAudit& db_;
  bool damaged_ = false;  // the catalogue: nothing is removed on its word
  bool contradicts_itself_ = false;
  bool names_nothing_ = false;  // the same as of a damaged one
  uint64_t directories_ = 0;
  uint64_t files_ = 0;
  uint64_t findings_ = 0;
  uint64_t in_flight_ = 0;
  uint64_t removed_ = 0;
  uint64_t dropped_ = 0;
  std::set<int64_t> broken_links_;
  std::set<uint64_t> broken_uploads_;
};

int Fsck::run() {
  Result<> result = check_catalogue();
  // Of a damaged catalogue the rest would be as many findings as there are files.
  if (result && !damaged_) result = check_files();
  if (result && !damaged_ && options_.drop_broken) result = drop_broken();
  return finish(result);
}

void Fsck::finding(const std::string& line) {
  ++findings_;
  std::fputs((line + '\n').c_str(), stdout);
}

int Fsck::finish(const Result<>& result) {
  if (!result) {
    complain(kFsck, "it broke off", options_.data_dir, result.error());
    return result.error().code == io::Errc::corrupt ? kExitFindings : kExitConfig;
  }
  std::string summary = fmt::format("fsck: {} files in {} directories: {} findings", files_, directories_, findings_);
  if (in_flight_ > 0) summary += fmt::format(", {} unfinished files in directories that a start looks at", in_flight_);
  if (removed_ > 0) summary += fmt::format(", {} files removed", removed_);
  if (dropped_ > 0) summary += fmt::format(", {} links and uploads ended", dropped_);
  const bool left_alone = damaged_ || names_nothing_;
  if (options_.repair && left_alone && findings_ > 0) summary += "; nothing was repaired on the word of this catalogue";
  std::fputs((summary + '\n').c_str(), stdout);
  return findings_ == 0 ? 0 : kExitFindings;
}

Result<> Fsck::check_catalogue() {
  const Result<std::vector<std::string>> damage = db_.damage();
  if (!damage) return std::unexpected(damage.error());
  for (const std::string& line : *damage) finding("catalogue: damaged: " + line);
  damaged_ = !damage->empty();
  if (damaged_) return {};
  const Result<std::vector<std::string>> contradictions = db_.contradictions(kLinesAKind);
  if (!contradictions) return std::unexpected(contradictions.error());
  for (const std::string& line : *contradictions) finding("catalogue: " + line);
  contradicts_itself_ = !contradictions->empty();
  return {};
}

// Those that are there and those that the catalogue names, in one walk.
Result<> Fsck::check_files() {
  const Result<storage::DirectoryNumbers> there = tree_.directories();
  if (!there) return std::unexpected(there.error());
  report_strangers("blobs/", there->strangers);
  const Result<storage::DirectoryNumbers> marks = tree_.marks();
  if (!marks) return std::unexpected(marks.error());
  report_strangers("unsettled/", marks->strangers);
  Result<std::optional<uint64_t>> named = db_.next_file(0);
  if (!named) return std::unexpected(named.error());
  const Result<bool> has_content = db_.has_content();
  if (!has_content) return std::unexpected(has_content.error());
  const Result<db::CatalogueTotals> totals = db_.totals();
  if (!totals) return std::unexpected(totals.error());
  // All files may be small ones; or the rows that named the others are lost.
  names_nothing_ = totals->links == 0 || (!*named && (!*has_content || contradicts_itself_));

  auto next_there = there->numbers.begin();
  while (next_there != there->numbers.end() || *named) {
    uint32_t number = UINT32_MAX;
    if (next_there != there->numbers.end()) number = *next_there;
    if (*named) number = std::min(number, BlobId{**named}.directory());
    const Result<> checked = check_directory(number);
    if (!checked) return checked;
    if (next_there != there->numbers.end() && *next_there == number) ++next_there;
    if (*named) named = db_.next_file(BlobId::make(number, storage::kFilesPerDirectory - 1).value + 1);
    if (!named) return std::unexpected(named.error());
  }
  return {};
}

void Fsck::report_strangers(const std::string& where, const std::vector<std::string>& names) {
  for (const std::string& name : names) finding(fmt::format("{}{}: ringdrop has not made it; left alone", where, name));
}

Result<> Fsck::check_directory(uint32_t number) {
  const Result<storage::FoundBlobs> found = tree_.list(number);
  if (!found) return std::unexpected(found.error());
  const Result<Rows> rows =
      db_.files_between(BlobId::make(number, 0).value, BlobId::make(number, storage::kFilesPerDirectory - 1).value);
  if (!rows) return std::unexpected(rows.error());
  ++directories_;
  files_ += found->blobs.size();
  report_strangers(fmt::format("blobs/{}/", storage::directory_name(number)), found->strangers);

  if (found->foreign) {
    report_unreachable(*rows);
    return {};
  }
  // What does not fit at first sight; a server may have been at work between the two looks.
  std::set<BlobId> suspects;
  for (const FoundBlob& blob : found->blobs) {
    if (!std::ranges::binary_search(*rows, blob.id.value, {}, &FileRow::file)) suspects.insert(blob.id);
  }
  for (const FileRow& row : *rows) {
    const auto blob = std::ranges::lower_bound(found->blobs, BlobId{row.file}, {}, &FoundBlob::id);
    const bool there = blob != found->blobs.end() && blob->id.value == row.file;
    if (row.owner == FileRow::garbage) continue;
    if (!there || trouble_with(row, *blob)) suspects.insert(BlobId{row.file});
  }
  bool removed = false;
  for (const BlobId id : suspects) {
    const Result<bool> looked = look_again(id);
    if (!looked) return std::unexpected(looked.error());
    removed = removed || *looked;
  }
  return removed ? tree_.sync(number) : Result<>{};
}

// What is behind a symbolic link nobody reads, the server neither; but there the files may be: nothing is dropped.
void Fsck::report_unreachable(const Rows& rows) {
  for (const FileRow& row : rows) {
    if (row.owner == FileRow::garbage) continue;
    finding(fmt::format("{}, of {}: its directory is none that ringdrop has made; the row is left alone",
                        storage::path_in_data(BlobId{row.file}), owner_of(row)));
  }
}

// In this order: the mark, the rows, the file, the rows. A file in a directory without a mark had its row before the
// mark went; a row's file is removed only after the row; a link's row comes after its file has its length.
// true: the file was removed.
Result<bool> Fsck::look_again(BlobId id) {
  const Result<bool> marked = tree_.is_marked(id.directory());
  if (!marked) return std::unexpected(marked.error());
  const Result<Rows> before = db_.files_between(id.value, id.value);
  if (!before) return std::unexpected(before.error());
  const Result<std::optional<FoundBlob>> blob = tree_.find(id);
  if (!blob) return std::unexpected(blob.error());
  const Result<Rows> after = db_.files_between(id.value, id.value);
  if (!after) return std::unexpected(after.error());

  if (*blob && before->empty() && after->empty()) return judge_orphan(**blob, *marked);
  judge_needed(*blob ? *before : *after, id, *blob);
  return false;
}

Result<bool> Fsck::judge_orphan(const FoundBlob& blob, bool marked) {
  if (!blob.regular) {
    report_strangers("", {storage::path_in_data(blob.id)});
    return false;
  }
  if (marked) {
    ++in_flight_;
  } else {
    finding(fmt::format("{}: {} bytes that no row has{}", storage::path_in_data(blob.id), blob.size_bytes,
                        options_.repair && !names_nothing_ ? "; removed" : ""));
  }
  if (!options_.repair || names_nothing_) return false;
  const Result<> removed = tree_.remove(blob.id);
  if (!removed) return std::unexpected(removed.error());
  ++removed_;
  return true;
}

void Fsck::judge_needed(const Rows& rows, BlobId id, const std::optional<FoundBlob>& blob) {
  for (const FileRow& row : rows) {
    if (row.owner == FileRow::garbage) continue;
    const std::optional<Trouble> trouble = blob ? trouble_with(row, *blob) : Trouble{"it is not there"};
    if (!trouble) continue;
    finding(fmt::format("{}, of {}: {}", storage::path_in_data(id), owner_of(row), trouble->text));
    if (!trouble->bytes_are_lost) continue;
    if (row.owner == FileRow::link) broken_links_.insert(row.link_id);
    if (row.owner == FileRow::upload) broken_uploads_.insert(row.file);
  }
}

Result<> Fsck::drop_broken() {
  if (broken_links_.empty() && broken_uploads_.empty()) return {};
  // Rather a directory that is not mounted, or half restored, than all files lost at once.
  if (files_ == 0) {
    finding("blobs/ has no file at all: nothing is dropped");
    return {};
  }
  Result<db::CatalogueSurgery> surgery =
      db::CatalogueSurgery::open(catalogue_path(options_.data_dir), db::CatalogueSurgery::Patient::original);
  if (!surgery) return std::unexpected(surgery.error());
  for (const int64_t link : broken_links_) {
    const Result<> done = surgery->drop_link(link);
    if (!done) return done;
  }
  for (const uint64_t file : broken_uploads_) {
    const Result<> done = surgery->drop_upload(file);
    if (!done) return done;
  }
  const Result<> committed = surgery->commit();
  if (committed) dropped_ = broken_links_.size() + broken_uploads_.size();
  return committed;
}

}  // namespace

int run_fsck(const FsckOptions& options) {
  io::keep_files_private();
  std::optional<io::LocalFd> lock;
  if (options.repair) {
    const Result<storage::BlobTree> tree = storage::BlobTree::open(options.data_dir);
    if (!tree) {
      complain(kFsck, "this is no data directory", options.data_dir, tree.error());
      return kExitConfig;
    }
    Result<io::LocalFd> taken = tree->lock();
    if (!taken) {
      const bool used = taken.error().code == io::Errc::exists;
      complain(kFsck, used ? "a server uses this data directory: stop it before a repair" : "cannot be locked",
               options.data_dir, taken.error());
      return kExitConfig;
    }
    lock.emplace(*std::move(taken));
  }
  int exit_code = 0;
  std::optional<DataDirectory> data = open_data_directory(kFsck, options.data_dir, exit_code);
  if (!data) return exit_code;
  return Fsck(options, *data).run();
}

}  // namespace ringdrop::server
