// One file on its way to disk, whichever request brings it: held in memory as long as it is small, in a blob from then
// on; its digests; and how it ends.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/buffer_pool.h"
#include "io/task.h"
#include "proto/digest.h"
#include "server/services.h"
#include "server/small_contents.h"
#include "server/stream_digest.h"
#include "server/upload_options.h"
#include "storage/blob_writer.h"

namespace ringdrop::server {

// What the link will say of the file.
struct FileMeta {
  std::string name;          // "" when it has none
  std::string content_type;  // a valid field value
};

// A file that no link names yet: its bytes are durable, or `held` to become so with the link's row.
struct StoredFile {
  std::unique_ptr<storage::BlobWriter> writer;  // committed: for settle() or discard(); none: held, or others see to it
  std::vector<storage::Extent> extents;         // at least one, unless it is held
  std::optional<HeldContent> held;
  FileMeta meta;
  std::vector<proto::Digest> digests;
};

class IncomingFile {
 public:
  // A file of `length` bytes, or of unknown length; one that will not be small gets its blob and its space now.
  // no_space, exhausted, system. `services` outlives it.
  static io::Task<io::Result<std::unique_ptr<IncomingFile>>> create(const Services& services,
                                                                    std::optional<uint64_t> length, DigestPlan digests);

  // As BlobWriter's.
  void report_to(std::atomic<uint64_t>* counter, uint64_t before);
  std::size_t room_to_alignment(std::size_t buffer_bytes) const;
  uint64_t bytes_appended() const;
  io::Task<io::Result<>> append(io::Buffer buffer, std::size_t bytes);
  io::Task<io::Result<>> write(Bytes bytes);

  // All of it was appended: makes it durable unless it is held, and compares the digests. Whatever fails, nothing is
  // left on disk, the log knows why, and the rejection is what the client is to hear. Once.
  io::Task<std::expected<StoredFile, proto::Rejection>> finish(FileMeta meta);
  // Nothing is left on disk.
  io::Task<> discard();

 private:
  IncomingFile(const Services& services, std::optional<uint64_t> length, DigestPlan plan);

  io::Task<io::Result<>> make_blob();
  io::Task<io::Result<>> store(StoredFile& stored);

  const Services& services_;
  const std::optional<uint64_t> length_;
  std::optional<HeldContent> held_;  // or
  std::unique_ptr<storage::BlobWriter> writer_;
  std::atomic<uint64_t>* counter_ = nullptr;
  uint64_t before_ = 0;
  DigestPlan plan_;
  StreamDigest digest_;
};

}  // namespace ringdrop::server
