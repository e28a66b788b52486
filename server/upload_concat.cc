#include "server/upload_concat.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "server/http_error.h"
#include "server/upload_answer.h"
#include "server/upload_checkpoint.h"
#include "server/upload_view.h"
#include "server/watched_request.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;
using proto::Rejection;

// The upload id in a part's URL: absolute, or of our own root, as Location had it.
std::optional<std::string> id_of(std::string_view url, const Config& config) {
  if (const std::size_t scheme = url.find("://"); scheme != url.npos) {
    const std::size_t path = url.find('/', scheme + 3);
    if (path == url.npos) return std::nullopt;
    url.remove_prefix(path);
  }
  const std::string place = path_prefix(config) + "/uploads/";
  if (!url.starts_with(place)) return std::nullopt;
  url.remove_prefix(place.size());
  return is_upload_id(url) ? std::optional<std::string>(url) : std::nullopt;
}

bool is_part(const db::Upload& row) {
  return row.concat == "partial";
}

// It has bytes to come, or a request that brings them or ends it: such a part is not cut.
Task<bool> is_unfinished(const Services& services, const db::Upload& row) {
  if (row.state != db::UploadState::open) co_return false;
  const Result<ProgressHub::Ptr> record = co_await record_of(services, row);
  if (!record) co_return true;
  const ProgressState state = (*record)->sample().state;
  const bool rests = state == ProgressState::paused || state == ProgressState::waiting;
  co_return !rests || row.length != (*record)->durable();
}

// The part, complete: what a crash has kept from its end has it now.
Task<UploadResource::Outcome<UploadResource::Ptr>> open_part(const Services& services, const std::string& id,
                                                             const std::stop_source& cut) {
  auto opened = co_await UploadResource::open(services, id, cut);
  if (!opened || !is_part((*opened)->row()) || !(*opened)->lacks_only_its_end()) co_return std::move(opened);
  const std::stop_token stop = cut.get_token();
  const auto completed = co_await (*opened)->complete(stop);
  co_await (*opened)->park();
  opened->reset();
  if (!completed) co_return std::unexpected(completed.error());
  co_return co_await UploadResource::open(services, id, cut);
}

std::optional<Rejection> check_part(const UploadResource& part) {
  const db::Upload& row = part.row();
  if (!is_part(row)) return errors::kNotAPart;
  if (part.is_open()) return errors::kUnfinishedPart;
  if (row.state != db::UploadState::complete || !row.file) return errors::kUploadGone;
  return std::nullopt;
}

// The parts, held by this request, in their order.
class Parts {
 public:
  // In the order of their ids: two requests that want the same ones do not wait for each other in a circle.
  Task<std::optional<Rejection>> open(const Services& services, const std::vector<std::string>& ids,
                                      const std::stop_source& cut) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < ids.size(); ++i) order.push_back(i);
    std::ranges::sort(order, {}, [&](std::size_t i) -> const std::string& { return ids[i]; });
    parts_.resize(ids.size());
    for (const std::size_t i : order) {
      const auto row = co_await services.catalogue.find_upload(services.loop, proto::sha256(ids[i]));
      if (row && *row) {
        // An upload of its own is not cut, and does not become a link by this.
        if (!is_part(**row)) co_return errors::kNotAPart;
        const bool unfinished = co_await is_unfinished(services, **row);
        if (unfinished) co_return errors::kUnfinishedPart;
      }
      auto opened = co_await open_part(services, ids[i], cut);
      if (!opened) co_return opened.error();
      parts_[i] = std::move(*opened);
      const std::optional<Rejection> refused = check_part(*parts_[i]);
      if (refused) co_return refused;
    }
    co_return std::nullopt;
  }

  Task<> park() {
    for (const UploadResource::Ptr& part : parts_) {
      if (part) co_await part->park();
    }
  }

  const std::vector<UploadResource::Ptr>& all() const { return parts_; }

 private:
  std::vector<UploadResource::Ptr> parts_;
};

StoredFile join(const Parts& parts, FileMeta meta) {
  StoredFile file;
  file.meta = std::move(meta);
  for (const UploadResource::Ptr& part : parts.all()) {
    const std::optional<UploadCheckpoint> known = decode_checkpoint(part->row().progress);
    storage::Extent extent;
    extent.file = storage::BlobId{part->row().file.value_or(0)};
    extent.length_bytes = part->offset_bytes();
    if (known) extent.checksums = known->whole_spans;
    file.extents.push_back(std::move(extent));
  }
  return file;
}

db::Upload row_of(const Services& services, Concatenation wanted, const Concatenated& made) {
  db::Upload row;
  row.id_hash = proto::sha256(made.id);
  row.state = db::UploadState::complete;
  row.length = made.length_bytes;
  row.created_at_ms = services.loop.epoch_ms();
  row.expires_at_ms = made.expires_at_ms;
  row.name = made.link.link.name;
  row.content_type = made.link.link.content_type;
  row.metadata = std::move(wanted.metadata);
  row.concat = std::move(wanted.concat);
  row.options = format_options(wanted.options);
  row.token = made.link.link.token;
  row.watch = wanted.options.watch_id.empty() ? watch_id_of(made.id) : wanted.options.watch_id;
  return row;
}

Task<UploadResource::Outcome<Concatenated>> make_final(const Services& services, Concatenation wanted,
                                                       const Parts& parts) {
  uint64_t length = 0;
  for (const UploadResource::Ptr& part : parts.all()) {
    if (part->offset_bytes() > services.config.max_upload_bytes - length) co_return std::unexpected(errors::kSizeLimit);
    length += part->offset_bytes();
  }
  WatchedRequest watched(services);
  const std::optional<Rejection> in_use = co_await watched.announce(wanted.options.watch_id, length);
  if (in_use) co_return std::unexpected(*in_use);
  Concatenated made;
  made.id = wanted.options.upload_id;
  if (made.id.empty()) made.id = make_upload_id(services.loop.ring());
  made.length_bytes = length;
  made.expires_at_ms = services.loop.epoch_ms() + services.config.finished_upload_ttl.count();
  StoredFile file = join(parts, std::move(wanted.meta));
  made.link = make_link(services, file, wanted.options, delete_token_of(made.id));

  db::UploadEnds change;
  for (const UploadResource::Ptr& part : parts.all()) {
    db::Upload row = part->row();
    row.state = db::UploadState::used;
    row.expires_at_ms = made.expires_at_ms;
    change.ends.push_back({std::move(row), db::FileFate::moved});
  }
  change.inserts.push_back(row_of(services, std::move(wanted), made));
  made.watch_id = change.inserts.back().watch;
  change.links.push_back(made.link.link);
  const Result<> done = co_await services.catalogue.end_uploads(services.loop, change);
  if (!done && done.error().code == io::Errc::exists) co_return std::unexpected(errors::kIdInUse);
  if (!done) {
    services.loop.log().error(fmt::format("uploads cannot be concatenated: {}", io::describe(done.error())));
    co_return std::unexpected(rejection_for(done.error()));
  }
  if (watched.counter()) watched.counter()->store(length);
  watched.complete({made.link});
  co_return std::move(made);
}

}  // namespace

Task<UploadResource::Outcome<Concatenated>> concatenate(const Services& services, Concatenation wanted,
                                                        std::stop_source cut) {
  std::vector<std::string> ids;
  for (const std::string& url : wanted.parts) {
    std::optional<std::string> id = id_of(url, services.config);
    // The same part in two ways of writing is still one file.
    if (!id || std::ranges::find(ids, *id) != ids.end()) co_return std::unexpected(errors::kNotAPart);
    ids.push_back(std::move(*id));
  }
  Parts parts;
  const std::optional<Rejection> refused = co_await parts.open(services, ids, cut);
  UploadResource::Outcome<Concatenated> made = std::unexpected(refused.value_or(errors::kNotAPart));
  if (!refused) made = co_await make_final(services, std::move(wanted), parts);
  co_await parts.park();
  co_return std::move(made);
}

}  // namespace ringdrop::server
