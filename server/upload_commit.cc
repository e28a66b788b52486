#include "server/upload_commit.h"

#include <utility>

#include "db/tokens.h"

namespace ringdrop::server {

io::Task<io::Result<db::Link>> commit_upload(const Services& services, storage::BlobWriter& writer, LinkMeta meta) {
  io::Result<storage::Extent> extent = co_await writer.commit();
  if (!extent) {
    co_await writer.discard();
    co_return std::unexpected(extent.error());
  }
  db::Link link;
  link.token = db::make_link_token(services.loop.ring());
  link.name = std::move(meta.name);
  link.content_type = std::move(meta.content_type);
  link.size_bytes = extent->length_bytes;
  link.created_at_ms = services.loop.epoch_ms();
  db::Extent stored;
  stored.file = extent->file.value;
  stored.length_bytes = extent->length_bytes;
  stored.checksums = std::move(extent->checksums);
  link.extents.push_back(std::move(stored));

  const io::Result<> inserted = co_await services.catalogue.insert(services.loop, link);
  if (!inserted) {
    // After a failed commit the row may be durable all the same: then the file is the next start's to judge.
    if (!services.catalogue.failed()) co_await writer.discard();
    co_return std::unexpected(inserted.error());
  }
  writer.settle();
  co_return std::move(link);
}

}  // namespace ringdrop::server
