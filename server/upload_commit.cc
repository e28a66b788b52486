#include "server/upload_commit.h"

#include <fmt/format.h>

#include <utility>

#include "db/tokens.h"
#include "storage/checksums.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;

}  // namespace

CreatedLink make_link(const Services& services, StoredFile& file, const UploadOptions& options,
                      std::string delete_token) {
  CreatedLink created;
  created.delete_token = delete_token.empty() ? db::make_link_token(services.loop.ring()) : std::move(delete_token);
  db::Link& link = created.link;
  link.token = services.catalogue.make_token(services.loop.ring());
  link.name = std::move(file.meta.name);
  link.content_type = std::move(file.meta.content_type);
  link.created_at_ms = services.loop.epoch_ms();
  link.delete_hash = proto::sha256(created.delete_token);
  link.expires_at_ms = expires_at(options.expiry, services.config, link.created_at_ms);
  link.max_downloads = options.max_downloads;
  for (proto::Digest& digest : file.digests) {
    if (digest.algorithm == proto::DigestAlgorithm::sha256) link.sha256 = std::move(digest.bytes);
    if (digest.algorithm == proto::DigestAlgorithm::sha512) link.sha512 = std::move(digest.bytes);
  }
  if (file.held) {
    storage::Checksums checksums;
    checksums.update(as_bytes(file.held->bytes()));
    link.size_bytes = file.held->bytes().size();
    link.content.emplace(file.held->take(), checksums.finish());
  }
  for (storage::Extent& extent : file.extents) {
    db::Extent stored;
    stored.file = extent.file.value;
    stored.length_bytes = extent.length_bytes;
    stored.checksums = std::move(extent.checksums);
    link.size_bytes += extent.length_bytes;
    link.extents.push_back(std::move(stored));
  }
  return created;
}

Task<Result<std::vector<CreatedLink>>> publish(const Services& services, std::vector<StoredFile> files,
                                               const UploadOptions& options) {
  std::vector<CreatedLink> created;
  std::vector<db::Link> links;
  for (StoredFile& file : files) {
    created.push_back(make_link(services, file, options, {}));
    links.push_back(std::move(created.back().link));
  }
  const Result<> inserted = co_await services.catalogue.insert(services.loop, links);
  if (services.catalogue.is_checkpoint_pressing()) services.checkpoint_pressing.wake_one();
  if (!inserted) {
    services.loop.log().error(fmt::format("an upload cannot be committed: {}", io::describe(inserted.error())));
    // After a failed commit the rows may be durable all the same: then the files are the next start's to judge.
    if (!services.catalogue.failed()) co_await discard_all(files);
    co_return std::unexpected(inserted.error());
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (files[i].writer) files[i].writer->settle();
    created[i].link = std::move(links[i]);
    created[i].link.content.reset();
  }
  co_return std::move(created);
}

Task<> discard_all(std::vector<StoredFile>& files) {
  for (StoredFile& file : files) {
    if (file.writer) co_await file.writer->discard();
  }
  files.clear();
}

}  // namespace ringdrop::server
