// Reads a blob that the catalogue calls ready, at any offset. Its files are opened when they are first needed and stay
// open: a download goes on after the link was deleted.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "io/event_loop.h"
#include "io/file.h"
#include "io/task.h"
#include "storage/blob_writer.h"
#include "storage/open_blobs.h"

namespace ringdrop::storage {

class BlobReader {
 public:
  // `blobs` is the directory blobs/; it and `open` outlive the reader. At least one extent.
  BlobReader(io::EventLoop& loop, const io::Directory& blobs, OpenBlobs& open, std::vector<Extent> extents);
  BlobReader(BlobReader&&) = default;

  // Opens the first file and compares its length. Errors as read_some_at().
  io::Task<io::Result<>> open() { return open(0); }
  // The same when that file is open already, for another reader; false: open() has to. Does not suspend.
  bool open_now() { return open_now(0); }

  uint64_t size_bytes() const { return size_bytes_; }

  // Up to into.size() bytes from `offset` < size_bytes(), at least one. corrupt: a file is missing or is not as long as
  // was recorded. exhausted, system.
  io::Task<io::Result<std::size_t>> read_some_at(MutableBytes into, uint64_t offset, int fixed_buffer);

  // A piece of one of its files.
  struct FilePiece {
    const io::File* file;  // the reader's
    uint64_t offset;
    std::size_t bytes;
  };
  // The piece that begins at `offset` < size_bytes(), of at most `most` bytes, when it is in the kernel's memory and
  // its file is open; nullopt: read_some_at() gets it. Does not suspend.
  std::optional<FilePiece> find_in_memory(uint64_t offset, std::size_t most) const;

 private:
  io::Task<io::Result<>> open(std::size_t extent);
  bool open_now(std::size_t extent);

  io::EventLoop& loop_;
  const io::Directory& blobs_;
  OpenBlobs& open_blobs_;
  std::vector<Extent> extents_;
  uint64_t size_bytes_ = 0;
  std::size_t open_extent_ = 0;
  OpenBlobs::Ptr file_;  // of extents_[open_extent_]
};

}  // namespace ringdrop::storage
