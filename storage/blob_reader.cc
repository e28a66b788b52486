#include "storage/blob_reader.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "base/check.h"

namespace ringdrop::storage {

BlobReader::BlobReader(io::EventLoop& loop, const io::Directory& blobs, OpenBlobs& open, std::vector<Extent> extents)
    : loop_(loop), blobs_(blobs), open_blobs_(open), extents_(std::move(extents)) {
  CHECK_THAT(!extents_.empty());
  for (const Extent& extent : extents_) size_bytes_ += extent.length_bytes;
}

bool BlobReader::open_now(std::size_t extent) {
  if (file_ && open_extent_ == extent) return true;
  file_ = open_blobs_.find(extents_[extent].file, extents_[extent].length_bytes);
  open_extent_ = extent;
  return file_ != nullptr;
}

io::Task<io::Result<>> BlobReader::open(std::size_t extent) {
  if (open_now(extent)) co_return io::Result<>{};
  const BlobId id = extents_[extent].file;
  const uint64_t length_bytes = extents_[extent].length_bytes;
  const std::string path = path_of(id);
  io::Result<io::OwnedFd> fd = co_await blobs_.open_file(path.c_str(), io::OpenMode::read_own);
  const bool own = fd.has_value();
  if (!own && fd.error().sys_errno == EPERM) fd = co_await blobs_.open_file(path.c_str(), io::OpenMode::read);
  if (!fd && fd.error().code == io::Errc::not_found)
    co_return io::fail(io::Errc::corrupt, "open", fd.error().sys_errno);
  if (!fd) co_return std::unexpected(fd.error());
  auto opened = std::make_shared<io::File>(loop_, std::move(*fd));
  io::FileStatus status;
  const io::Result<> known = co_await opened->stat(status);
  if (!known) co_return known;
  if (!status.regular || status.size_bytes != length_bytes) co_return io::fail(io::Errc::corrupt, "stat");
  if (own) opened->look_at_pages(length_bytes);
  open_blobs_.keep(id, length_bytes, opened);
  file_ = std::move(opened);
  co_return io::Result<>{};
}

io::Task<io::Result<std::size_t>> BlobReader::read_some_at(MutableBytes into, uint64_t offset, int fixed_buffer) {
  CHECK_THAT(offset < size_bytes_ && !into.empty());
  std::size_t extent = 0;
  while (offset >= extents_[extent].length_bytes) offset -= extents_[extent++].length_bytes;
  if (!open_now(extent)) {
    const io::Result<> opened = co_await open(extent);
    if (!opened) co_return std::unexpected(opened.error());
  }
  const uint64_t left = extents_[extent].length_bytes - offset;
  const MutableBytes part = into.first(std::min<uint64_t>(into.size(), left));
  const io::Result<std::size_t> got = co_await file_->read_some_at(part, offset, fixed_buffer);
  // The size was right a moment ago: nobody but a broken disk or an intruder shortens a ready blob.
  if (got && *got == 0) co_return io::fail(io::Errc::corrupt, "read");
  co_return got;
}

std::optional<BlobReader::FilePiece> BlobReader::find_in_memory(uint64_t offset, std::size_t most) const {
  std::size_t extent = 0;
  while (offset >= extents_[extent].length_bytes) offset -= extents_[extent++].length_bytes;
  if (!file_ || open_extent_ != extent) return std::nullopt;
  const std::size_t bytes = std::min<uint64_t>(most, extents_[extent].length_bytes - offset);
  if (!file_->in_memory(offset, bytes)) return std::nullopt;
  return FilePiece{file_.get(), offset, bytes};
}

}  // namespace ringdrop::storage
