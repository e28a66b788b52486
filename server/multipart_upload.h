// multipart/form-data (RFC 7578) on its way to disk: each file part becomes a file of its own, streamed as it comes;
// the other parts are options. Nothing is collected but those.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proto/multipart.h"
#include "server/incoming_file.h"
#include "server/services.h"
#include "server/stream_digest.h"
#include "server/upload_append.h"
#include "server/upload_options.h"
#include "server/watched_request.h"

namespace ringdrop::server {

// Files and fields of one form: each finished file is remembered until the form ends.
inline constexpr std::size_t kMostParts = 64;

class MultipartUpload final : public BodySink {
 public:
  // `digests.compute` is for each file; `digests.expected` are of the whole body, as the fields say. All that is passed
  // by reference outlives it.
  MultipartUpload(const Services& services, std::string boundary, const DigestPlan& digests, OptionCollector& options,
                  WatchedRequest& watched);

  std::size_t room(std::size_t buffer_bytes) const override;
  io::Task<AppendEnd> take(io::Buffer buffer, std::size_t bytes) override;

  // The body is complete. refused: it ended before its closing delimiter, holds no file, or is not what its digest
  // says.
  AppendEnd finish();
  // After finish(): the files, in their order, durable and without a link.
  std::vector<StoredFile> take_files() { return std::move(files_); }
  // Nothing is left on disk.
  io::Task<> discard();

 private:
  using Event = proto::MultipartParser::Event;

  io::Task<AppendEnd> take_content(Bytes content);
  io::Task<AppendEnd> begin_part();
  io::Task<AppendEnd> end_part();
  io::Task<std::optional<proto::Rejection>> heed_id(std::string_view field);
  bool exceeds_limit(std::size_t more_bytes) const;

  const Services& services_;
  proto::MultipartParser parser_;
  std::vector<proto::DigestAlgorithm> per_file_;
  std::vector<proto::Digest> expected_of_body_;
  StreamDigest body_digest_;
  OptionCollector& options_;
  std::unique_ptr<IncomingFile> file_;  // of the part that is being received
  FileMeta meta_;
  std::string field_;  // the value of a part that is an option
  std::vector<StoredFile> files_;
  WatchedRequest& watched_;
  uint64_t stored_bytes_ = 0;  // on disk, of the files before the one that is being received
};

}  // namespace ringdrop::server
