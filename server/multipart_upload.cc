#include "server/multipart_upload.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "proto/file_name.h"
#include "proto/file_types.h"
#include "server/http_error.h"
#include "server/upload_commit.h"
#include "server/upload_id.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;

// The value of an option.
constexpr std::size_t kMostFieldBytes = 256;
// What may stand behind content in a buffer that is handed on as it is: the begin of a delimiter and a little more.
constexpr std::size_t kMostTail = 128;

std::vector<proto::DigestAlgorithm> algorithms_of(const std::vector<proto::Digest>& digests) {
  std::vector<proto::DigestAlgorithm> algorithms;
  for (const proto::Digest& digest : digests) algorithms.push_back(digest.algorithm);
  return algorithms;
}

}  // namespace

MultipartUpload::MultipartUpload(const Services& services, std::string boundary, const DigestPlan& digests,
                                 OptionCollector& options, WatchedRequest& watched)
    : services_(services),
      parser_(std::move(boundary), proto::MultipartLimits{.parts = kMostParts}),
      expected_of_body_(digests.expected),
      body_digest_(services.loop, services.digest_lane, algorithms_of(digests.expected)),
      options_(options),
      watched_(watched) {
  // What was to be verified is verified over the body; a file gets what was wanted for it.
  per_file_ = digests.wanted;
}

std::size_t MultipartUpload::room(std::size_t buffer_bytes) const {
  return file_ ? file_->room_to_alignment(buffer_bytes) : buffer_bytes;
}

Task<AppendEnd> MultipartUpload::take(io::Buffer buffer, std::size_t bytes) {
  if (!body_digest_.empty()) co_await body_digest_.update(buffer.bytes().first(bytes));
  Bytes input = buffer.bytes().first(bytes);
  std::optional<io::Buffer> held(std::move(buffer));
  std::array<std::byte, kMostTail> tail;
  for (;;) {
    const auto step = parser_.step(input);
    if (!step) co_return AppendEnd::refused(step.error());
    const Bytes rest = input.subspan(step->consumed);
    AppendEnd done;
    switch (step->event) {
      case Event::need_more:
        co_return AppendEnd{};
      case Event::part_begins:
        done = co_await begin_part();
        break;
      case Event::part_ends:
        done = co_await end_part();
        break;
      case Event::ended:
        break;
      case Event::content: {
        // A buffer that is content from its beginning goes to disk as it is.
        const bool as_it_is = file_ && held && step->content.data() == held->data() && rest.size() <= kMostTail;
        if (as_it_is) {
          std::memcpy(tail.data(), rest.data(), rest.size());
          const std::size_t content_bytes = step->content.size();
          input = Bytes(tail).first(rest.size());
          io::Buffer whole = std::move(*held);
          held.reset();
          if (exceeds_limit(content_bytes)) co_return AppendEnd::refused(errors::kSizeLimit);
          const Result<> appended = co_await file_->append(std::move(whole), content_bytes);
          if (!appended) co_return AppendEnd::store_failed(appended.error());
          continue;
        }
        done = co_await take_content(step->content);
        break;
      }
    }
    if (done.kind != AppendEnd::Kind::whole) co_return done;
    input = rest;
  }
}

Task<AppendEnd> MultipartUpload::take_content(Bytes content) {
  if (!file_) {
    // Other fields pass by.
    if (!OptionCollector::is_option(parser_.part().name)) co_return AppendEnd{};
    field_ += as_text(content);
    co_return field_.size() > kMostFieldBytes ? AppendEnd::refused(errors::kLongField) : AppendEnd{};
  }
  if (exceeds_limit(content.size())) co_return AppendEnd::refused(errors::kSizeLimit);
  const Result<> written = co_await file_->write(content);
  if (!written) co_return AppendEnd::store_failed(written.error());
  co_return AppendEnd{};
}

bool MultipartUpload::exceeds_limit(std::size_t more_bytes) const {
  return file_->bytes_appended() + more_bytes > services_.config.max_upload_bytes;
}

Task<AppendEnd> MultipartUpload::begin_part() {
  const proto::PartHead& part = parser_.part();
  field_.clear();
  // A file field that was left empty: a browser sends it all the same.
  if (!part.file_name) co_return AppendEnd{};
  auto name = proto::accept_file_name(*part.file_name);
  if (!name) co_return AppendEnd::refused(name.error());
  meta_.content_type = proto::stored_media_type(part.content_type, *name);
  meta_.name = std::move(*name);
  DigestPlan digests;
  digests.compute = per_file_;
  Result<std::unique_ptr<IncomingFile>> file =
      co_await IncomingFile::create(services_, std::nullopt, std::move(digests));
  if (!file) co_return AppendEnd::store_failed(file.error());
  file_ = std::move(*file);
  file_->report_to(watched_.counter(), stored_bytes_);
  co_return AppendEnd{};
}

// Options that count before the form has ended: under which id it is watched, from here on.
Task<std::optional<proto::Rejection>> MultipartUpload::heed_id(std::string_view field) {
  if (field == "upload_id") co_return errors::kFormUploadId;
  if (field != "watch_id" || watched_.counter()) co_return std::nullopt;
  if (!is_upload_id(field_)) co_return errors::kBadWatchId;
  co_return co_await watched_.announce(field_, std::nullopt);
}

Task<AppendEnd> MultipartUpload::end_part() {
  if (!file_) {
    std::optional<proto::Rejection> refused = options_.add(parser_.part().name, field_);
    if (!refused) refused = co_await heed_id(parser_.part().name);
    co_return refused ? AppendEnd::refused(*refused) : AppendEnd{};
  }
  const std::unique_ptr<IncomingFile> file = std::move(file_);
  const bool left_empty = meta_.name.empty() && file->bytes_appended() == 0;
  if (left_empty) {
    co_await file->discard();
    co_return AppendEnd{};
  }
  auto stored = co_await file->finish(std::move(meta_));
  if (!stored) co_return AppendEnd::refused(stored.error());
  for (const storage::Extent& extent : stored->extents) stored_bytes_ += extent.length_bytes;
  files_.push_back(std::move(*stored));
  co_return AppendEnd{};
}

AppendEnd MultipartUpload::finish() {
  if (!parser_.ended()) return AppendEnd::refused(errors::kTornForm);
  if (files_.empty()) return AppendEnd::refused(errors::kNoFile);
  const Result<std::vector<proto::Digest>> computed = body_digest_.finish();
  if (!computed) return AppendEnd::store_failed(computed.error());
  const bool same = std::ranges::is_permutation(*computed, expected_of_body_);
  return same ? AppendEnd{} : AppendEnd::refused(errors::kDigestMismatch);
}

Task<> MultipartUpload::discard() {
  if (file_) co_await file_->discard();
  file_.reset();
  co_await discard_all(files_);
}

}  // namespace ringdrop::server
