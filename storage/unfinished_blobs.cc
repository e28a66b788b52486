// Blobs that are put aside and gone on with: the part of BlobStore that resumable uploads need. The rest is in
// blob_store.cc.
#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "storage/blob_store.h"

namespace ringdrop::storage {

using io::Errc;
using io::Result;
using io::Task;

// The same object for as long as files of one directory are gone on with: it is not the one that fills the directory,
// which may be another loop's, or of a process that is gone.
Task<Result<std::shared_ptr<BlobDirectory>>> BlobStore::directory_of(BlobId id) {
  const uint32_t number = id.directory();
  if (gone_on_in_ && gone_on_in_->number == number) co_return gone_on_in_;
  const std::string path = directory_name(number);
  Result<io::OwnedFd> fd = co_await blobs_.open_directory(path.c_str());
  if (!fd && fd.error().code == Errc::not_found) co_return io::fail(Errc::corrupt, "open");
  if (!fd) co_return std::unexpected(fd.error());
  io::Directory opened(loop_, std::move(*fd));
  gone_on_in_ = std::make_shared<BlobDirectory>(loop_, number, std::move(opened));
  co_return gone_on_in_;
}

Task<Result<io::File>> BlobStore::open_unfinished(const io::Directory& directory, const std::string& path) {
  Result<io::OwnedFd> fd = co_await directory.open_file(path.c_str(), io::OpenMode::read_write);
  if (!fd && fd.error().code == Errc::not_found) co_return io::fail(Errc::corrupt, "open");
  if (!fd) co_return std::unexpected(fd.error());
  co_return io::File(loop_, std::move(*fd));
}

// After a failed sync the kernel reports success to a descriptor that was opened since: it is not believed.
Task<Result<>> BlobStore::sync_unfinished(io::File& file) {
  Result<> synced;
  if (!failed() && space_.durability == Durability::full) synced = co_await file.sync_data();
  if (!synced) space_.failed.store(true);
  if (synced && failed()) synced = io::fail(Errc::system, "storage", EIO);
  co_return synced;
}

Task<Result<std::unique_ptr<BlobWriter>>> BlobStore::reopen(ParkedBlob parked, std::optional<uint64_t> length) {
  if (space_.failed.load(std::memory_order_relaxed)) co_return io::fail(Errc::system, "storage", EROFS);
  const uint64_t so_far = parked.checksums.bytes();
  const uint64_t held = std::max(so_far, parked.reserved_bytes);
  const uint64_t missing = length ? *length - std::min(*length, held) : 1;
  if (length.value_or(0) > held || space_.bytes_above_floor() < missing) {
    const Result<io::FileSystemStatus> looked = co_await file_system();
    if (!looked) co_return std::unexpected(looked.error());
  }
  if (missing > 0 && space_.bytes_above_floor() < missing) co_return io::fail(Errc::no_space, "reserve");

  Result<std::shared_ptr<BlobDirectory>> directory = co_await directory_of(parked.file);
  if (!directory) co_return std::unexpected(directory.error());
  std::unique_ptr<BlobDirectory::LeftOpen> left = std::move((*directory)->left_open);
  std::optional<io::File> file;
  std::optional<io::File> direct;
  if (left && left->id == parked.file) {
    file.emplace(std::move(left->file));
    if (left->direct) direct.emplace(std::move(*left->direct));
  } else {
    Result<io::File> opened = co_await open_unfinished((*directory)->directory, parked.file.file_name());
    if (!opened) co_return std::unexpected(opened.error());
    file.emplace(std::move(*opened));
  }
  std::string tail(so_far % io::kDirectAlignment, '\0');
  if (!tail.empty()) {
    const MutableBytes room(reinterpret_cast<std::byte*>(tail.data()), tail.size());
    const Result<> read = co_await file->read_all_at(room, so_far - tail.size());
    if (!read) co_return std::unexpected(read.error());
  }
  ++(*directory)->unsettled;
  auto writer = std::make_unique<BlobWriter>(loop_, space_, std::move(*directory), parked.file, std::move(*file));
  writer->use_left_open(std::move(direct));
  writer->make_resumable(std::move(parked.checksums), std::move(tail), held);
  if (length.value_or(0) > held) {
    const Result<> reserved = co_await writer->reserve(*length);
    if (!reserved) co_return std::unexpected(reserved.error());
  }
  co_return std::move(writer);
}

Task<Result<io::FileStatus>> BlobStore::durable_status(BlobId id) {
  Result<io::File> file = co_await open_unfinished(blobs_, path_of(id));
  if (!file) co_return std::unexpected(file.error());
  const Result<> synced = co_await sync_unfinished(*file);
  if (!synced) co_return std::unexpected(synced.error());
  io::FileStatus status;
  const Result<> known = co_await file->stat(status);
  if (!known) co_return std::unexpected(known.error());
  co_return status;
}

Task<Result<>> BlobStore::cut(BlobId id, uint64_t size_bytes) {
  Result<io::File> file = co_await open_unfinished(blobs_, path_of(id));
  if (!file) co_return std::unexpected(file.error());
  io::FileStatus status;
  const Result<> known = co_await file->stat(status);
  if (!known) co_return known;
  // It is not made longer: what is missing would read as zeros.
  if (status.size_bytes < size_bytes) co_return io::fail(Errc::corrupt, "stat");
  const Result<> cut = co_await file->truncate(size_bytes);
  if (!cut) co_return cut;
  co_return co_await sync_unfinished(*file);
}

}  // namespace ringdrop::storage
