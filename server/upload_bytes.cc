// The bytes of an upload that has an id: what is on disk of it, appending to that, taking back what does not count. The
// rest of UploadResource is in upload_resource.cc.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "proto/tus.h"
#include "server/http_error.h"
#include "server/stream_digest.h"
#include "server/upload_checkpoint.h"
#include "server/upload_resource.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;

// The bytes as they pass: into the digests of the whole, and into the one of this append.
Task<> update_both(StreamDigest& whole, StreamDigest* append, Bytes bytes) {
  if (!whole.empty()) co_await whole.update(bytes);
  if (append) co_await append->update(bytes);
}

// The algorithm of a checksum behind the body is known when it is too late to begin.
std::vector<proto::DigestAlgorithm> algorithms_for(const AppendWishes& wishes) {
  using enum proto::DigestAlgorithm;
  if (wishes.checksum_in_trailer) return {sha1, sha256, md5};
  std::vector<proto::DigestAlgorithm> algorithms;
  for (const proto::Digest& digest : wishes.checksums) algorithms.push_back(digest.algorithm);
  return algorithms;
}

// Whether what came is what it had to be.
AppendEnd verify(StreamDigest& checked, const http::BodyReader& body, AppendWishes wishes) {
  const Result<std::vector<proto::Digest>> digests = checked.finish();
  if (!digests) return AppendEnd::store_failed(digests.error());
  if (wishes.checksum_in_trailer) {
    auto checksum = proto::parse_tus_checksum(body.trailers().joined("Upload-Checksum"));
    if (!checksum) return AppendEnd::refused(checksum.error());
    wishes.checksums.push_back(std::move(*checksum));
  }
  const bool same = std::ranges::all_of(wishes.checksums, [&](const proto::Digest& expected) {
    return std::ranges::find(*digests, expected) != digests->end();
  });
  return same ? AppendEnd{} : AppendEnd::refused(wishes.mismatch);
}

// How often what comes is made durable while it comes: often enough for who waits for the offset, and so that little
// has to be read again after a crash; seldom enough to cost nothing.
constexpr io::Milliseconds kCheckpointPause{5'000};
constexpr uint64_t kCheckpointBytes = 64 * kMiB;

// A FileSink that makes a checkpoint now and then.
class CheckpointSink final : public BodySink {
 public:
  using Checkpoint = std::function<Task<Result<uint64_t>>()>;

  CheckpointSink(io::EventLoop& loop, FileSink<storage::BlobWriter>& file, Checkpoint make,
                 const std::function<Task<>(uint64_t)>& on_durable)
      : loop_(loop), file_(file), make_(std::move(make)), on_durable_(on_durable), last_(loop.now()) {}

  std::size_t room(std::size_t buffer_bytes) const override { return file_.room(buffer_bytes); }

  Task<AppendEnd> take(io::Buffer buffer, std::size_t bytes) override {
    AppendEnd taken = co_await file_.take(std::move(buffer), bytes);
    since_last_ += bytes;
    const bool worth_it = on_durable_ || since_last_ >= kCheckpointBytes;
    if (taken.kind != AppendEnd::Kind::whole || !worth_it || loop_.now() - last_ < kCheckpointPause) co_return taken;
    const Result<uint64_t> durable = co_await make_();
    if (!durable) co_return AppendEnd::store_failed(durable.error());
    if (on_durable_) co_await on_durable_(*durable);
    last_ = loop_.now();
    since_last_ = 0;
    co_return taken;
  }

 private:
  io::EventLoop& loop_;
  FileSink<storage::BlobWriter>& file_;
  Checkpoint make_;
  const std::function<Task<>(uint64_t)>& on_durable_;
  io::TimePoint last_;
  uint64_t since_last_ = 0;
};

}  // namespace

// What is on disk of an open one. Its bytes are not looked at before somebody appends.
Task<Result<>> UploadResource::load_bytes() {
  const storage::BlobId file{row().file.value_or(0)};
  std::optional<UploadCheckpoint> saved = decode_checkpoint(row().progress);
  if (!saved) saved.emplace();
  const Result<io::FileStatus> status = co_await services_.blobs.durable_status(file);
  if (!status) co_return std::unexpected(status.error());
  const uint64_t size = believable_bytes(*saved, status->size_bytes);
  // What the last process has reserved for it is its own: nobody is asked for that room again.
  uint64_t reserved = std::max(size, status->allocated_bytes);
  if (size < status->size_bytes) {
    const Result<> cut = co_await services_.blobs.cut(file, size);
    if (!cut) co_return cut;
    reserved = size;
  }
  parked_.offset_bytes = size;
  storage::Checksums checksums(std::move(saved->whole_spans));
  if (checksums.bytes() > size) checksums = storage::Checksums();
  parked_.blob.emplace(storage::ParkedBlob{file, std::move(checksums), reserved});
  parked_.expected = std::move(saved->expected);
  const bool digests_fit = saved->digested_bytes <= size;
  parked_.digested_bytes = digests_fit ? saved->digested_bytes : 0;
  for (const auto& [algorithm, state] : saved->digests) {
    std::optional<proto::Digester> digester = proto::Digester::restore(algorithm, state);
    if (!digester || !digests_fit) {
      parked_.digested_bytes = 0;
      digester.emplace(algorithm);
    }
    parked_.digesters.push_back(std::move(*digester));
  }
  // Bytes that are acknowledged from here on are not to be cut by the next crash.
  if (saved->cut_to) co_return co_await save();
  co_return Result<>{};
}

// Reads what checksums and digests do not cover yet: after a crash, or a restart. cancelled: `stop` came; what was read
// by then is not read again.
Task<Result<>> UploadResource::catch_up(const std::stop_token& stop) {
  const uint64_t size = offset_bytes();
  uint64_t digested = parked_.digesters.empty() ? size : parked_.digested_bytes;
  parked_.digested_bytes = digested;
  if (std::min(parked_.blob->checksums.bytes(), digested) >= size) co_return Result<>{};
  StreamDigest digest(services_.loop, services_.digest_lane, std::move(parked_.digesters));
  restart_digests(digest.algorithms());
  const Result<> read = co_await read_again(digest, digested, stop);
  Result<std::vector<proto::Digester>> digesters = digest.take();
  if (!digesters) co_return std::unexpected(digesters.error());
  parked_.digesters = std::move(*digesters);
  parked_.digested_bytes = digested;
  co_return read;
}

// `digest` has the first `digested` bytes.
Task<Result<>> UploadResource::read_again(StreamDigest& digest, uint64_t& digested, const std::stop_token& stop) {
  storage::Checksums& checksums = parked_.blob->checksums;
  const uint64_t size = offset_bytes();
  storage::Extent extent;
  extent.file = parked_.blob->file;
  extent.length_bytes = size;
  std::vector<storage::Extent> extents;
  extents.push_back(std::move(extent));
  storage::BlobReader reader = services_.blobs.open_reader(std::move(extents));
  uint64_t at = std::min(checksums.bytes(), digested);
  while (at < size) {
    if (stop.stop_requested()) co_return io::fail(io::Errc::cancelled, "catch up");
    const io::TimePoint deadline = services_.loop.now() + services_.config.stall_timeout;
    Result<io::Buffer> buffer = co_await services_.pool.small(io::BufferPool::Use::upload, deadline, stop);
    if (!buffer) co_return std::unexpected(buffer.error());
    const MutableBytes room = buffer->bytes().first(std::min<uint64_t>(buffer->size(), size - at));
    const Result<std::size_t> got = co_await reader.read_some_at(room, at, buffer->fixed_buffer());
    if (!got) co_return std::unexpected(got.error());
    const Bytes bytes = room.first(*got);
    if (checksums.bytes() < at + *got) checksums.update(bytes.subspan(checksums.bytes() - at));
    if (digested < at + *got) {
      co_await digest.update(bytes.subspan(digested - at));
      digested = at + *got;
    }
    at += *got;
  }
  co_return Result<>{};
}

uint64_t UploadResource::limit_bytes() const {
  return std::min(services_.config.max_upload_bytes, length().value_or(UINT64_MAX));
}

Task<AppendEnd> UploadResource::append(http::BodyReader& body, AppendWishes wishes, const std::stop_token& stop) {
  const Result<> caught_up = co_await catch_up(stop);
  if (!caught_up && caught_up.error().code == io::Errc::cancelled) co_return AppendEnd::client_broke(caught_up.error());
  if (!caught_up) co_return give_up(caught_up.error());
  if (!wishes.all_or_nothing()) co_return co_await append_with(body, nullptr, wishes, stop);
  co_return co_await append_checked(body, std::move(wishes), stop);
}

Task<AppendEnd> UploadResource::append_checked(http::BodyReader& body, AppendWishes wishes,
                                               const std::stop_token& stop) {
  Covered before = covered();
  // From here on a crash leaves bytes that do not count: the catalogue knows it first.
  parked_.cut_to = offset_bytes();
  const Result<> marked = co_await save();
  if (!marked) co_return give_up(marked.error());
  wishes.on_durable = nullptr;  // nothing counts before its end
  StreamDigest checked(services_.loop, services_.digest_lane, algorithms_for(wishes));
  AppendEnd end = co_await append_with(body, &checked, wishes, stop);
  if (end.kind == AppendEnd::Kind::whole) end = verify(checked, body, std::move(wishes));
  if (end.kind != AppendEnd::Kind::whole) {
    const Result<> cut = co_await cut_back(std::move(before));
    if (!cut) co_return give_up(cut.error());
  }
  parked_.cut_to.reset();
  const Result<> saved = co_await save();
  if (!saved) co_return give_up(saved.error());
  co_return end;
}

// What has come so far is durable, and known to the catalogue: after a crash little has to be read again. The offset.
Task<Result<uint64_t>> UploadResource::checkpoint(storage::BlobWriter& writer, const StreamDigest& digest) {
  const Result<> synced = co_await writer.make_durable();
  if (!synced) co_return std::unexpected(synced.error());
  UploadCheckpoint made;
  made.durable_bytes = writer.bytes_stored();
  made.whole_spans = writer.checksums().whole_spans();
  made.digests = digest.save();
  made.digested_bytes = digest.failed() ? 0 : writer.bytes_stored();
  made.expected = parked_.expected;
  parked_.row.progress = encode_checkpoint(made);
  slide_expiry();
  parked_.saved_at = services_.loop.now();
  const Result<> saved = co_await services_.catalogue.save_upload(services_.loop, row());
  uint64_t durable = writer.bytes_stored();
  if (saved) {
    parked_.saved_bytes = durable;
  } else {
    services_.loop.log().warn(fmt::format("an upload's state is not saved: {}", io::describe(saved.error())));
    durable = align_down(durable, io::kDirectAlignment);  // what counts without a note
  }
  parked_.watched->set_durable(durable);
  co_return durable;
}

Task<AppendEnd> UploadResource::append_with(http::BodyReader& body, StreamDigest* checked, const AppendWishes& wishes,
                                            const std::stop_token& stop) {
  Result<std::unique_ptr<storage::BlobWriter>> writer =
      co_await services_.blobs.reopen(std::move(*parked_.blob), length());
  parked_.blob.reset();
  if (!writer) co_return AppendEnd::store_failed(writer.error());
  (*writer)->settle();  // its row is there
  parked_.watched->set_state(ProgressState::receiving);
  if (!checked) (*writer)->report_to(&parked_.watched->bytes_stored(), 0);

  StreamDigest digest(services_.loop, services_.digest_lane, std::move(parked_.digesters));
  restart_digests(digest.algorithms());
  if (!digest.empty() || checked) {
    (*writer)->observe([&digest, checked](Bytes bytes) { return update_both(digest, checked, bytes); });
  }
  FileSink file(**writer, limit_bytes());
  const auto keep = [&] { return checkpoint(**writer, digest); };
  CheckpointSink sink(services_.loop, file, keep, wishes.on_durable);
  AppendEnd end;
  if (checked) {
    end = co_await append_body(services_, body, file, stop);
  } else {
    end = co_await append_body(services_, body, sink, stop);
  }

  // Whatever ended it: what came is kept.
  Result<storage::ParkedBlob> parked = co_await (*writer)->park();
  Result<std::vector<proto::Digester>> digesters = digest.take();
  if (parked && digesters) {
    parked_.digesters = std::move(*digesters);
    parked_.digested_bytes = parked->checksums.bytes();
  }
  if (!parked) {
    services_.loop.log().error(fmt::format("an unfinished upload cannot be kept: {}", io::describe(parked.error())));
    co_return AppendEnd::store_failed(parked.error());
  }
  parked_.offset_bytes = parked->checksums.bytes();
  parked_.blob = std::move(*parked);
  // A checked one is noted by its caller, a full one becomes a link.
  if (!checked && !is_noted() && length() != offset_bytes()) {
    const Result<> noted = co_await save();
    if (!noted) co_return give_up(noted.error());
  }
  co_return end;
}

// All bytes are hashed once more, when it matters: unless somebody brings digests that cover them.
void UploadResource::restart_digests(const std::vector<proto::DigestAlgorithm>& algorithms) {
  parked_.digesters.clear();
  for (const proto::DigestAlgorithm algorithm : algorithms) parked_.digesters.emplace_back(algorithm);
  parked_.digested_bytes = 0;
}

// What we hold of the bytes may be wrong: whoever has the upload next asks the catalogue and the disk.
AppendEnd UploadResource::give_up(const io::Error& error) {
  parked_.blob.reset();
  return AppendEnd::store_failed(error);
}

UploadResource::Covered UploadResource::covered() const {
  Covered all;
  all.checksums = parked_.blob->checksums.copy();
  for (const proto::Digester& digester : parked_.digesters) all.digesters.push_back(digester.copy());
  return all;
}

// As if nothing had come since `before`, which covers all bytes that count.
Task<Result<>> UploadResource::cut_back(Covered before) {
  const storage::BlobId file{row().file.value_or(0)};
  const uint64_t offset = before.checksums.bytes();
  const Result<> cut = co_await services_.blobs.cut(file, offset);
  if (!cut) co_return cut;
  parked_.blob.emplace(storage::ParkedBlob{file, std::move(before.checksums), offset});
  parked_.offset_bytes = offset;
  parked_.digesters = std::move(before.digesters);
  parked_.digested_bytes = offset;
  co_return Result<>{};
}

}  // namespace ringdrop::server
