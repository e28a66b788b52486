#include "server/scrub.h"

#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "io/interruption.h"
#include "io/process_limits.h"
#include "io/signals.h"
#include "proto/digest.h"
#include "proto/units.h"
#include "server/cli.h"
#include "server/maintenance.h"
#include "server/pace.h"
#include "server/status_line.h"

namespace ringdrop::server {
namespace {

using io::Errc;
using io::Result;

constexpr const char* kScrub = "scrub";

std::vector<proto::Digest> digests_of(const db::Link& link) {
  std::vector<proto::Digest> digests;
  if (!link.sha256.empty()) digests.push_back({proto::DigestAlgorithm::sha256, link.sha256});
  if (!link.sha512.empty()) digests.push_back({proto::DigestAlgorithm::sha512, link.sha512});
  return digests;
}

class Scrub {
 public:
  Scrub(const ScrubOptions& options, DataDirectory& data, io::Interruption& interruption)
      : options_(options),
        tree_(data.tree),
        db_(data.catalogue),
        interruption_(interruption),
        pace_(options.bytes_per_second) {}

  int run();

 private:
  Result<> scrub_all();
  Result<> scrub_link(const db::NumberedLink& numbered);
  Result<bool> scrub_content(const db::NumberedLink& numbered, std::vector<proto::Digester>& digesters);
  Result<bool> scrub_extent(const db::NumberedLink& numbered, const db::Extent& extent,
                            std::vector<proto::Digester>& digesters);
  bool see(Bytes bytes, std::vector<proto::Digester>& digesters);
  Result<bool> is_still_there(const db::NumberedLink& numbered);
  void show_progress();
  void finding(const std::string& line);
  int finish(const Result<>& result);

  const ScrubOptions& options_;
  const storage::BlobTree& tree_;
  db::CatalogueAudit& db_;
  io::Interruption& interruption_;
  Pace pace_;
  StatusLine status_;
  db::CatalogueTotals totals_;
  uint64_t links_ = 0;
  uint64_t bytes_ = 0;
  uint64_t findings_ = 0;
  int64_t at_link_ = 0;
};

int Scrub::run() {
  const Result<> result = scrub_all();
  status_.clear();
  return finish(result);
}

int Scrub::finish(const Result<>& result) {
  const std::string so_far = fmt::format("{} links, {} bytes read: {} findings", links_, bytes_, findings_);
  if (!result && result.error().code == Errc::cancelled) {
    std::fputs(fmt::format("scrub: stopped; {}; go on with --from {}\n", so_far, at_link_).c_str(), stdout);
    return kExitInterrupted;
  }
  if (!result) {
    complain(kScrub, fmt::format("it broke off at link {}", at_link_), options_.data_dir, result.error());
    return kExitConfig;
  }
  std::fputs(fmt::format("scrub: {}\n", so_far).c_str(), stdout);
  return findings_ == 0 ? 0 : kExitFindings;
}

Result<> Scrub::scrub_all() {
  const Result<db::CatalogueTotals> totals = db_.totals();
  if (!totals) return std::unexpected(totals.error());
  totals_ = *totals;
  at_link_ = options_.from_link;
  for (;;) {
    const Result<std::optional<db::NumberedLink>> link = db_.next_link(at_link_);
    if (!link) return std::unexpected(link.error());
    if (!*link) return {};
    at_link_ = (*link)->id;
    const Result<> scrubbed = scrub_link(**link);
    if (!scrubbed) return scrubbed;
    ++links_;
    ++at_link_;
    if (interruption_.requested()) return io::fail(Errc::cancelled, kScrub);
  }
}

Result<> Scrub::scrub_link(const db::NumberedLink& numbered) {
  const std::vector<proto::Digest> expected = digests_of(numbered.link);
  std::vector<proto::Digester> digesters;
  for (const proto::Digest& digest : expected) digesters.emplace_back(digest.algorithm);
  bool sound = true;
  if (numbered.link.content) {
    const Result<bool> scrubbed = scrub_content(numbered, digesters);
    if (!scrubbed) return std::unexpected(scrubbed.error());
    sound = *scrubbed;
  }
  for (const db::Extent& extent : numbered.link.extents) {
    const Result<bool> scrubbed = scrub_extent(numbered, extent, digesters);
    if (!scrubbed) return std::unexpected(scrubbed.error());
    sound = sound && *scrubbed;
  }
  // Of a link that has a bad span the digest says nothing new.
  if (!sound) return {};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (digesters[i].finish() == expected[i].bytes) continue;
    finding(fmt::format("link {} ({}): its {} is another", numbered.id, shortened(numbered.link.token),
                        proto::digest_key(expected[i].algorithm)));
  }
  return {};
}

// false: it is not sound.
Result<bool> Scrub::scrub_content(const db::NumberedLink& numbered, std::vector<proto::Digester>& digesters) {
  const db::Content& content = *numbered.link.content;
  storage::Checksums checksums;
  checksums.update(as_bytes(content.bytes));
  if (!see(as_bytes(content.bytes), digesters)) return io::fail(Errc::cancelled, kScrub);
  if (content.bytes.size() == numbered.link.size_bytes && checksums.finish() == content.checksums) return true;
  finding(
      fmt::format("link {} ({}): rot in its content, in the catalogue", numbered.id, shortened(numbered.link.token)));
  return false;
}

// false: it is not sound.
Result<bool> Scrub::scrub_extent(const db::NumberedLink& numbered, const db::Extent& extent,
                                 std::vector<proto::Digester>& digesters) {
  const storage::Extent whole = extent_of(extent);
  const std::string what = fmt::format("{}, of link {} ({})", storage::path_in_data(whole.file), numbered.id,
                                       shortened(numbered.link.token));
  const auto see_piece = [&](Bytes bytes) { return see(bytes, digesters); };
  const Result<storage::ScannedExtent> scanned = tree_.scan(whole, see_piece);
  if (!scanned && scanned.error().code == Errc::cancelled) return std::unexpected(scanned.error());
  if (scanned && scanned->sound(extent.length_bytes)) return true;
  // A server deletes the row first, the file afterwards.
  const Result<bool> needed = is_still_there(numbered);
  if (!needed || !*needed) return needed;
  if (!scanned) {
    finding(fmt::format("{}: {}", what, io::describe(scanned.error())));
    return false;
  }
  if (scanned->size_bytes != extent.length_bytes) {
    finding(fmt::format("{}: it has {} bytes instead of {}", what, scanned->size_bytes, extent.length_bytes));
  }
  for (const uint64_t offset : scanned->rotten) {
    finding(fmt::format("{}: rot in the 64 MiB from offset {}", what, offset));
  }
  for (const uint64_t offset : scanned->unknown) {
    finding(fmt::format("{}: the 64 MiB from offset {} have no checksum to compare with", what, offset));
  }
  for (const uint64_t offset : scanned->unreadable) {
    finding(fmt::format("{}: the 64 MiB from offset {} cannot be read", what, offset));
  }
  return false;
}

// The highest id may be given again once its link is gone; a token never comes back.
Result<bool> Scrub::is_still_there(const db::NumberedLink& numbered) {
  const Result<std::optional<db::NumberedLink>> link = db_.next_link(numbered.id);
  if (!link) return std::unexpected(link.error());
  return *link && (*link)->link.token == numbered.link.token;
}

bool Scrub::see(Bytes bytes, std::vector<proto::Digester>& digesters) {
  for (proto::Digester& digester : digesters) digester.update(bytes);
  bytes_ += bytes.size();
  show_progress();
  return !interruption_.wait_for(pace_.after(bytes.size()));
}

void Scrub::show_progress() {
  if (!status_.is_due()) return;
  status_.show(fmt::format("scrub: link {}, {} of {} MiB, {} findings", at_link_, bytes_ / kMiB, totals_.bytes / kMiB,
                           findings_));
}

void Scrub::finding(const std::string& line) {
  ++findings_;
  status_.clear();
  std::fputs((line + '\n').c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace

int run_scrub(const ScrubOptions& options) {
  io::keep_files_private();
  io::block_termination_signals();
  Result<io::Interruption> interruption = io::Interruption::open();
  if (!interruption) {
    complain(kScrub, "signals cannot be received", options.data_dir, interruption.error());
    return kExitConfig;
  }
  int exit_code = 0;
  std::optional<DataDirectory> data = open_data_directory(kScrub, options.data_dir, exit_code);
  if (!data) return exit_code;
  return Scrub(options, *data, *interruption).run();
}

}  // namespace ringdrop::server
