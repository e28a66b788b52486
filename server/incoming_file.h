// One file on its way to disk: its blob, its digests, and how it ends, whichever request brings it.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/task.h"
#include "proto/digest.h"
#include "server/services.h"
#include "server/stream_digest.h"
#include "server/upload_options.h"
#include "storage/blob_writer.h"

namespace ringdrop::server {

// What the link will say of the file.
struct FileMeta {
  std::string name;          // "" when it has none
  std::string content_type;  // a valid field value
};

// A file whose bytes are durable and which no link names yet.
struct StoredFile {
  std::unique_ptr<storage::BlobWriter> writer;  // committed: for settle() or discard(); none: others see to its files
  std::vector<storage::Extent> extents;         // at least one
  FileMeta meta;
  std::vector<proto::Digest> digests;
};

class IncomingFile {
 public:
  // Opens a blob of `length` bytes, or of unknown length. no_space, exhausted, system.
  static io::Task<io::Result<std::unique_ptr<IncomingFile>>> create(const Services& services,
                                                                    std::optional<uint64_t> length, DigestPlan digests);

  storage::BlobWriter& writer() { return *writer_; }

  // All of it was appended: makes it durable and compares the digests. Whatever fails, nothing is left on disk, the log
  // knows why, and the rejection is what the client is to hear. Once.
  io::Task<std::expected<StoredFile, proto::Rejection>> finish(const Services& services, FileMeta meta);
  // Nothing is left on disk.
  io::Task<> discard();

 private:
  IncomingFile(const Services& services, std::unique_ptr<storage::BlobWriter> writer, DigestPlan plan);

  std::unique_ptr<storage::BlobWriter> writer_;
  DigestPlan plan_;
  StreamDigest digest_;
};

}  // namespace ringdrop::server
