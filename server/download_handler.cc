#include "server/download_handler.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "proto/content_disposition.h"
#include "server/http_error.h"
#include "server/transfer_buffers.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;

// How much is read and sent at a time with a large buffer: what is sent is still in the CPU's cache.
constexpr std::size_t kDownloadChunk = 128 * kKiB;

proto::ResponseHead file_head(const db::Link& link) {
  proto::ResponseHead head;
  head.fields.add("Content-Type", link.content_type);
  head.fields.add("Content-Disposition", proto::format_content_disposition(proto::Disposition::attachment, link.name));
  // Whatever a stranger uploaded must not act as a page of this origin.
  head.fields.add("X-Content-Type-Options", "nosniff");
  head.fields.add("Content-Security-Policy", "sandbox; default-src 'none'");
  head.fields.add("Cross-Origin-Resource-Policy", "same-origin");
  head.fields.add("Referrer-Policy", "no-referrer");
  head.fields.add("X-Robots-Tag", "noindex");
  head.fields.add("Cache-Control", "no-cache");
  return head;
}

std::vector<storage::Extent> extents_of(const db::Link& link) {
  std::vector<storage::Extent> extents;
  for (const db::Extent& stored : link.extents) {
    storage::Extent extent;
    extent.file = storage::BlobId{stored.file};
    extent.length_bytes = stored.length_bytes;
    extents.push_back(std::move(extent));
  }
  return extents;
}

// Sends the file from its first byte to its last. Before the first byte was read nothing is started, and an error can
// still be answered.
Task<Result<>> send_file(const Services& services, const db::Link& link, storage::BlobReader& reader,
                         http::ResponseWriter& response, const std::stop_token& stop) {
  TransferBuffers buffers(services.pool, io::BufferPool::Use::other);
  uint64_t offset = 0;
  while (offset < link.size_bytes) {
    const uint64_t left = link.size_bytes - offset;
    const io::TimePoint deadline = services.loop.now() + services.config.stall_timeout;
    Result<io::Buffer> buffer = co_await buffers.next(left > io::kSmallBufferBytes, deadline, stop);
    if (!buffer) co_return std::unexpected(buffer.error());
    const std::size_t chunk = std::min<uint64_t>(std::min(buffer->size(), kDownloadChunk), left);
    const MutableBytes room = buffer->bytes().first(chunk);
    const Result<std::size_t> got = co_await reader.read_some_at(room, offset, buffer->fixed_buffer());
    if (!got) co_return std::unexpected(got.error());
    if (!response.started()) response.start(file_head(link), link.size_bytes);

    Bytes unsent = room.first(*got);
    const Result<std::size_t> sent = co_await response.write_some(unsent, http::kBufferPatience);
    if (!sent) co_return std::unexpected(sent.error());
    offset += *sent;
    const bool kept_up = *sent == unsent.size();
    buffers.report(*buffer, kept_up);
    if (kept_up) continue;
    // A slow reader holds no buffer: what it has not taken is read again when it can take it.
    {
      const io::Buffer given_back = std::move(*buffer);
    }
    const Result<> writable = co_await response.wait_writable();
    if (!writable) co_return writable;
  }
  co_return Result<>{};
}

}  // namespace

Task<Result<>> handle_download(const Services& services, std::string_view token, http::ResponseWriter& response,
                               std::stop_token stop) {
  Result<std::optional<db::Link>> found =
      co_await services.catalogue.find(services.loop, token, services.loop.epoch_ms());
  if (!found) {
    services.loop.log().error(fmt::format("a link cannot be looked up: {}", io::describe(found.error())));
    co_return co_await send_rejection(rejection_for(found.error()), response);
  }
  if (!*found) co_return co_await send_rejection(errors::kNotFound, response);
  const db::Link& link = **found;
  storage::BlobReader reader = services.blobs.open_reader(extents_of(link));
  Result<> sent = co_await reader.open();
  if (sent && !response.is_head()) sent = co_await send_file(services, link, reader, response, stop);
  if (!sent && !response.started()) {
    services.loop.log().error(fmt::format("the file of a link cannot be read: {}", io::describe(sent.error())));
    co_return co_await send_rejection(rejection_for(sent.error()), response);
  }
  if (!sent) co_return sent;
  if (!response.started()) response.start(file_head(link), link.size_bytes);
  co_return co_await response.finish();
}

}  // namespace ringdrop::server
