#include "server/download_handler.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "db/tokens.h"
#include "proto/http_range.h"
#include "server/download_plan.h"
#include "server/http_error.h"
#include "server/link_lookup.h"
#include "server/link_page.h"
#include "server/transfer_buffers.h"
#include "server/web_page.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;

// How much is read and sent at a time with a large buffer: what is sent is still in the CPU's cache.
constexpr std::size_t kDownloadChunk = 128 * kKiB;
// How much of a file in the page cache is sent in one turn of the loop: a tenth of a millisecond. What is smaller than
// the least is cheaper to copy than to send from there.
constexpr std::size_t kMostSentAtOnce = kMiB;
constexpr std::size_t kLeastSentFromPages = 16 * kKiB;
// The end of a limited file that is sent only to who has a download left.
constexpr uint64_t kLastPiece = 64 * kKiB;
// What is sent from memory is sent in one piece.
static_assert(kMostSmallFileBytes <= kLastPiece && HotLinks::kMostContentBytes <= kLastPiece);

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

// The body of one answer.
class Download {
 public:
  Download(const Services& services, const Exchange& exchange, HotLinks::Ptr hot, const DownloadPlan& plan)
      : services_(services),
        response_(exchange.response),
        stop_(exchange.stop),
        hot_(std::move(hot)),
        link_(hot_->link),
        plan_(plan),
        content_(hot_->content),
        buffers_(services.pool, io::BufferPool::Use::other) {}
  ~Download() { stop_collecting(); }
  Download(const Download&) = delete;
  Download& operator=(const Download&) = delete;

  // All of it. Before the first byte was read nothing is started, and an error can still be answered. refused: no
  // download is left.
  Task<Result<>> send();

 private:
  void make_reader();
  Task<Result<>> send_nothing();
  Task<Result<>> send_range(proto::ByteRange range);
  Task<Result<>> send_parts_end();
  Task<Result<bool>> send_from_disk(uint64_t& offset, uint64_t end);
  Result<bool> send_pages(const storage::BlobReader::FilePiece& piece, uint64_t& offset);
  std::optional<storage::BlobReader::FilePiece> find_pages(uint64_t offset, uint64_t end) const;
  Task<Result<std::size_t>> send_piece(Bytes piece);
  Task<Result<std::size_t>> begin_part(Bytes piece);
  void collect(Bytes sent);
  void stop_collecting();
  Task<> settle();
  bool needs_download(uint64_t offset, uint64_t range_last) const;
  Task<Result<>> take_download();
  std::size_t chunk_bytes(uint64_t offset, uint64_t end, std::size_t most) const;
  bool is_limited() const { return link_.max_downloads.has_value(); }
  // Where the last piece of the file begins.
  uint64_t last_piece() const { return link_.size_bytes - std::min(link_.size_bytes, kLastPiece); }
  void start_answer();

  const Services& services_;
  http::ResponseWriter& response_;
  const std::stop_token& stop_;
  const HotLinks::Ptr hot_;
  const db::Link& link_;
  const DownloadPlan& plan_;
  std::optional<storage::BlobReader> reader_;   // once bytes come from the disk
  std::shared_ptr<const std::string> content_;  // of all the file, as long as the peer keeps up
  bool collecting_ = false;                     // what is sent is wanted for the next one
  std::string collected_;
  bool sends_pages_ = true;    // as long as the kernel can
  bool was_writable_ = false;  // and has taken nothing since
  TransferBuffers buffers_;
  std::string part_head_;  // goes out with the first bytes of its part
  bool taken_ = false;
  bool last_byte_sent_ = false;
};

void Download::start_answer() {
  if (!response_.started()) response_.start(plan_.head.status, plan_.field_lines, plan_.body_bytes);
}

Task<Result<>> Download::send() {
  if (!content_) {
    make_reader();
    Result<> opened;
    if (!reader_->open_now()) opened = co_await reader_->open();
    if (!opened) co_return opened;
  }
  if (response_.is_head()) {
    start_answer();
    co_return Result<>{};
  }
  const bool in_parts = !plan_.boundary.empty();
  const bool whole = !in_parts && plan_.body_bytes == link_.size_bytes && link_.size_bytes > 0;
  collecting_ = whole && services_.hot_links.start_collecting(*hot_);
  if (collecting_) collected_.reserve(link_.size_bytes);
  Result<> sent;
  if (link_.size_bytes == 0) sent = co_await send_nothing();
  for (std::size_t i = 0; i < plan_.ranges.size() && sent; ++i) {
    const proto::ByteRange range = plan_.ranges[i];
    if (in_parts) {
      part_head_ = proto::format_part_head(plan_.boundary, plan_.part_type, range, link_.size_bytes, i == 0);
    }
    sent = co_await send_range(range);
  }
  if (sent && in_parts) sent = co_await send_parts_end();
  if (collecting_ && collected_.size() == link_.size_bytes) {
    services_.hot_links.keep_content(hot_, std::move(collected_));
  }
  if (taken_) {
    co_await settle();
  } else if (last_byte_sent_) {
    services_.download_counts.add(link_.token, hot_->count);
  }
  co_return sent;
}

void Download::make_reader() {
  if (!reader_) reader_.emplace(services_.blobs.open_reader(extents_of(link_)));
}

void Download::collect(Bytes sent) {
  if (collecting_) collected_.append(as_text(sent));
}

void Download::stop_collecting() {
  if (std::exchange(collecting_, false)) services_.hot_links.stop_collecting(*hot_);
  std::string().swap(collected_);  // an assignment keeps the memory
}

Task<> Download::settle() {
  const Result<> settled = co_await services_.catalogue.settle_download(services_.loop, link_.token, last_byte_sent_);
  if (settled) co_return;
  services_.loop.log().warn(fmt::format("a download is not settled yet: {}", io::describe(settled.error())));
  services_.download_counts.add_unsettled(link_.token, last_byte_sent_);
}

// An empty file.
Task<Result<>> Download::send_nothing() {
  if (needs_download(0, 0)) {
    const Result<> may = co_await take_download();
    if (!may) co_return may;
  }
  start_answer();
  last_byte_sent_ = true;
  co_return Result<>{};
}

Task<Result<>> Download::send_parts_end() {
  const std::string end = proto::format_parts_end(plan_.boundary);
  co_return co_await response_.write(as_bytes(end));
}

// The answer reaches the last byte of a limited file: from its last piece on it needs a download.
bool Download::needs_download(uint64_t offset, uint64_t range_last) const {
  const bool reaches_end = range_last + 1 >= link_.size_bytes;
  return is_limited() && !taken_ && reaches_end && offset >= last_piece();
}

Task<Result<>> Download::take_download() {
  // What the kernel still holds has not arrived: a client that hangs up now, megabytes before the end, has had nothing.
  if (response_.started()) {
    const Result<> arrived = co_await response_.wait_acknowledged();
    if (!arrived) co_return arrived;
  }
  const Result<bool> taken = co_await services_.catalogue.take_download(services_.loop, link_.token);
  if (!taken) co_return std::unexpected(taken.error());
  if (!*taken) co_return io::fail(io::Errc::refused, "download");
  taken_ = true;
  co_return Result<>{};
}

// A piece ends where the last piece of a limited file begins.
std::size_t Download::chunk_bytes(uint64_t offset, uint64_t end, std::size_t most) const {
  const bool before_last_piece = is_limited() && !taken_ && end == link_.size_bytes && offset < last_piece();
  const uint64_t until = before_last_piece ? last_piece() : end;
  return std::min<uint64_t>(most, until - offset);
}

Task<Result<>> Download::send_range(proto::ByteRange range) {
  const uint64_t end = range.last + 1;
  uint64_t offset = range.first;
  while (offset < end) {
    if (needs_download(offset, range.last)) {
      const Result<> may = co_await take_download();
      if (!may) co_return may;
    }
    Result<bool> kept_up = true;
    const std::optional<storage::BlobReader::FilePiece> pages = find_pages(offset, end);
    if (content_) {
      const Bytes piece = as_bytes(*content_).subspan(offset, end - offset);
      const Result<std::size_t> sent = co_await send_piece(piece);
      if (!sent) co_return std::unexpected(sent.error());
      offset += *sent;
      kept_up = *sent == piece.size();
    } else if (pages) {
      const uint64_t before = offset;
      kept_up = send_pages(*pages, offset);
      // Nothing here waits by itself, and requests that came together may follow: the others have their turn.
      const bool more = offset < end || !response_.inbound().unused().empty();
      if (offset > before && more) co_await services_.loop.next_turn();
    } else {
      kept_up = co_await send_from_disk(offset, end);
    }
    if (!kept_up) co_return std::unexpected(kept_up.error());
    // The peer took all that was there.
    if (*kept_up) continue;
    // A slow reader holds no memory: what it has not taken is read when it can take it. Unless the link was deleted
    // meanwhile and its file is gone: who has begun gets the rest; or it has no file (small_file_size bounds it).
    stop_collecting();
    if (content_ && !link_.extents.empty()) {
      make_reader();
      const Result<> opened = co_await reader_->open();
      if (opened) content_.reset();
    }
    const Result<> writable = co_await response_.wait_writable();
    if (!writable) co_return writable;
    was_writable_ = true;
  }
  if (end == link_.size_bytes) last_byte_sent_ = true;
  co_return Result<>{};
}

// What can be sent without a copy, and without a wait for the disk.
std::optional<storage::BlobReader::FilePiece> Download::find_pages(uint64_t offset, uint64_t end) const {
  if (!sends_pages_ || content_ || collecting_ || !part_head_.empty()) return std::nullopt;
  const std::size_t bytes = chunk_bytes(offset, end, kMostSentAtOnce);
  if (bytes < kLeastSentFromPages) return std::nullopt;
  return reader_->find_in_memory(offset, bytes);
}

// true: the peer took all that was there, here and below. `offset` moves on.
Result<bool> Download::send_pages(const storage::BlobReader::FilePiece& piece, uint64_t& offset) {
  start_answer();
  const Result<io::SentNow> sent = response_.write_file_now(*piece.file, piece.offset, piece.bytes);
  if (!sent) return std::unexpected(sent.error());
  offset += sent->bytes;
  // Whatever is wrong with the file: a read tells. And a socket that is writable and takes nothing would be asked for
  // ever.
  if (sent->bytes < piece.bytes && !sent->peer_is_full) sends_pages_ = false;
  if (sent->bytes == 0 && sent->peer_is_full && was_writable_) sends_pages_ = false;
  if (sent->bytes > 0) was_writable_ = false;
  return !sent->peer_is_full;
}

Task<Result<bool>> Download::send_from_disk(uint64_t& offset, uint64_t end) {
  const io::TimePoint deadline = services_.loop.now() + services_.config.stall_timeout;
  const Result<io::Buffer> buffer = co_await buffers_.next(end - offset > io::kSmallBufferBytes, deadline, stop_);
  if (!buffer) co_return std::unexpected(buffer.error());
  const MutableBytes room = buffer->bytes().first(chunk_bytes(offset, end, std::min(buffer->size(), kDownloadChunk)));
  const Result<std::size_t> got = co_await reader_->read_some_at(room, offset, buffer->fixed_buffer());
  if (!got) co_return std::unexpected(got.error());
  const Bytes piece = room.first(*got);
  const Result<std::size_t> sent = co_await send_piece(piece);
  if (!sent) co_return std::unexpected(sent.error());
  collect(piece.first(*sent));
  offset += *sent;
  const bool kept_up = *sent == piece.size();
  buffers_.report(*buffer, kept_up);
  co_return kept_up;
}

// With what goes before it. How much of it left in time.
Task<Result<std::size_t>> Download::send_piece(Bytes piece) {
  start_answer();
  if (!part_head_.empty()) return begin_part(piece);
  return response_.write_some(piece, http::kBufferPatience);
}

Task<Result<std::size_t>> Download::begin_part(Bytes piece) {
  const Result<> begun = co_await response_.write(as_bytes(part_head_));
  if (!begun) co_return std::unexpected(begun.error());
  part_head_.clear();
  co_return co_await response_.write_some(piece, http::kBufferPatience);
}

// 304, 412, 416: no byte of the file.
Task<Result<>> send_without_body(const Exchange& exchange, const DownloadPlan& plan) {
  if (plan.head.status == 412) {
    co_return co_await send_rejection(errors::kPreconditionFailed, exchange, plan.head.fields);
  }
  if (plan.head.status == 416) co_return co_await send_rejection(errors::kBadRange, exchange, plan.head.fields);
  co_return co_await exchange.response.send(plan.head, {});
}

// The plan for this request: the one that holds for all plain ones, or one of its own, in `planned`.
const DownloadPlan& plan_for(const Services& services, const proto::RequestHead& request, HotLink& hot,
                             std::optional<DownloadPlan>& planned) {
  if (asks_for_plain_download(request)) {
    if (!hot.plain) {
      hot.plain = plan_download(request, hot.link, services.loop.epoch_ms() / 1000, {});
      hot.plain->head.fields = {};  // which its lines have
    }
    return *hot.plain;
  }
  const int64_t now_s = services.loop.epoch_ms() / 1000;
  planned = plan_download(request, hot.link, now_s, db::make_link_token(services.loop.ring()));
  return *planned;
}

// Who goes to what is not there any more in a browser sees a page.
Task<Result<>> refuse(const Exchange& exchange, const proto::Rejection& why) {
  if (why.status == 404 && is_navigation(exchange.request)) co_return co_await send_missing_page(exchange);
  proto::Fields fields;
  fields.add("Vary", kDownloadVary);
  co_return co_await send_rejection(why, exchange, fields);
}

}  // namespace

Task<Result<>> handle_download(const Services& services, const Exchange& exchange, std::string_view token) {
  HotLinks::Ptr hot = find_hot_link(services, token);
  if (!hot) {
    std::expected<HotLinks::Ptr, proto::Rejection> found = co_await find_link_to_download(services, token);
    if (!found) co_return co_await refuse(exchange, found.error());
    hot = std::move(*found);
  }
  if (wants_link_page(exchange.request, hot->link)) co_return co_await send_link_page(exchange, hot->link);
  std::optional<DownloadPlan> planned;
  const DownloadPlan& plan = plan_for(services, exchange.request, *hot, planned);
  if (plan.head.status >= 300) co_return co_await send_without_body(exchange, plan);

  std::optional<RunningDownloads::Guard> running;
  if (hot->link.max_downloads) running.emplace(services.running_downloads, hot->link.token);
  Download download(services, exchange, std::move(hot), plan);
  const Result<> sent = co_await download.send();
  if (sent && !exchange.response.finished()) co_return co_await exchange.response.finish();
  if (sent || exchange.response.started()) co_return sent;
  if (sent.error().code == io::Errc::refused) co_return co_await refuse(exchange, errors::kNotFound);
  // Deleted between the lookup and the opening: as if it had come a moment later.
  const std::expected<db::Link, proto::Rejection> again = co_await find_link(services, token);
  if (!again) co_return co_await refuse(exchange, again.error());
  services.loop.log().error(fmt::format("the file of a link cannot be read: {}", io::describe(sent.error())));
  co_return co_await send_rejection(rejection_for(sent.error()), exchange);
}

}  // namespace ringdrop::server
