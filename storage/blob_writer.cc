#include "storage/blob_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace ringdrop::storage {
namespace {

// Shorter writes go through the page cache: the device gains nothing from them.
constexpr std::size_t kDirectBytes = 128 * kKiB;
// A body of unknown length reserves this much ahead once it has shown to be large.
constexpr uint64_t kReserveAhead = 64 * kMiB;
// How much may be dirty in the page cache where O_DIRECT is not to be had.
constexpr uint64_t kDirtyBytes = 8 * kMiB;
// A direct write that brings less than a block is tried again so often.
constexpr int kMostShortWrites = 16;

bool refuses_direct(const io::Error& error) {
  return error.sys_errno == EINVAL || error.sys_errno == EOPNOTSUPP || error.sys_errno == ENOTSUP;
}

}  // namespace

BlobWriter::BlobWriter(io::EventLoop& loop, BlobSpace& space, std::shared_ptr<BlobDirectory> directory, BlobId id,
                       io::File file)
    : loop_(loop),
      space_(space),
      directory_(std::move(directory)),
      id_(id),
      name_(id.file_name()),
      file_(std::move(file)),
      written_(loop, "an upload that has waited for its write"),
      writes_(loop) {}

BlobWriter::~BlobWriter() = default;

io::Task<io::Result<>> BlobWriter::reserve(uint64_t length) {
  if (length == 0 || reserve_unsupported_ || length <= reserved_) co_return io::Result<>{};
  const io::Result<> allocated = co_await file_->allocate(reserved_, length - reserved_, resumable_);
  if (allocated) {
    reserved_ = length;
    co_return allocated;
  }
  if (allocated.error().sys_errno != EOPNOTSUPP) co_return allocated;
  reserve_unsupported_ = true;
  co_return io::Result<>{};
}

std::size_t BlobWriter::room_to_alignment(std::size_t buffer_bytes) const {
  return buffer_bytes - appended_ % io::kDirectAlignment;
}

io::Task<io::Result<>> BlobWriter::append(io::Buffer buffer, std::size_t bytes) {
  CHECK_THAT(bytes <= buffer.size());
  checksums_.update(buffer.bytes().first(bytes));
  const io::Result<> before = co_await wait_for_write();
  if (!before) co_return before;
  const std::size_t front = tail_.size();
  if (front > 0) put_behind_tail(buffer, bytes);
  const uint64_t offset = appended_;
  appended_ += bytes;
  write_in_flight_ = true;
  io::Task<> write = write_out(std::move(buffer), front, bytes, offset);
  writes_.spawn(std::move(write));
  co_return io::Result<>{};
}

io::Task<io::Result<>> BlobWriter::write(Bytes bytes) {
  checksums_.update(bytes);
  const io::Result<> before = co_await wait_for_write();
  if (!before) co_return before;
  const uint64_t offset = appended_;
  appended_ += bytes.size();
  if (observer_) co_await show(bytes);
  const io::Result<> written = co_await write_buffered(bytes, offset);
  if (written) {
    count_stored(appended_);
  } else {
    failure_ = written.error();
  }
  co_return written;
}

io::Task<io::Result<>> BlobWriter::wait_for_write() {
  while (write_in_flight_) static_cast<void>(co_await written_.wait());
  if (failure_) co_return std::unexpected(*failure_);
  co_return io::Result<>{};
}

// So that the block is written from its beginning.
void BlobWriter::put_behind_tail(const io::Buffer& buffer, std::size_t bytes) {
  CHECK_THAT(tail_.size() + bytes <= buffer.size());
  std::memmove(buffer.data() + tail_.size(), buffer.data(), bytes);
  std::memcpy(buffer.data(), tail_.data(), tail_.size());
}

// The `bytes` behind the `front` that was there before.
io::Task<> BlobWriter::write_out(io::Buffer buffer, std::size_t front, std::size_t bytes, uint64_t offset) {
  io::TaskScope observing(loop_);
  if (observer_) observing.spawn(show(buffer.bytes().subspan(front, bytes)));
  const io::Result<> written = co_await write_parts(buffer, front + bytes, offset - front);
  co_await observing.join();
  if (written) {
    count_stored(std::max(stored_, offset + bytes - tail_.size()));
  } else {
    failure_ = written.error();
  }
  write_in_flight_ = false;
  written_.wake_all();
}

void BlobWriter::count_stored(uint64_t bytes) {
  stored_ = bytes;
  if (counter_) counter_->store(before_ + bytes, std::memory_order_relaxed);
}

io::Task<> BlobWriter::show(Bytes bytes) {
  co_await observer_(bytes);
}

// The aligned part directly, the rest through the page cache, or of a resumable file later.
io::Task<io::Result<>> BlobWriter::write_parts(const io::Buffer& buffer, std::size_t bytes, uint64_t offset) {
  const bool aligned = offset % io::kDirectAlignment == 0;
  std::size_t direct_bytes = 0;
  if (aligned && bytes >= least_direct_bytes()) {
    const io::Result<> room = co_await reserve_ahead(offset + bytes);
    if (!room) co_return room;
    if (space_.direct_io.load(std::memory_order_relaxed)) {
      direct_bytes = align_down(bytes, io::kDirectAlignment);
      const io::Result<> direct = co_await write_direct(buffer, direct_bytes, offset);
      if (!direct && !refuses_direct(direct.error())) co_return direct;
      if (!direct) {
        space_.direct_io.store(false, std::memory_order_relaxed);
        direct_.reset();
        direct_bytes = 0;
      }
    }
  }
  if (resumable_) {
    const std::size_t whole = align_down(bytes, io::kDirectAlignment);
    tail_ = as_text(buffer.bytes().subspan(whole, bytes - whole));
    bytes = whole;
  }
  if (direct_bytes == bytes) co_return io::Result<>{};
  const Bytes rest = buffer.bytes().subspan(direct_bytes, bytes - direct_bytes);
  co_return co_await write_buffered(rest, offset + direct_bytes);
}

io::Task<io::Result<>> BlobWriter::write_direct(const io::Buffer& buffer, std::size_t bytes, uint64_t offset) {
  const io::Result<> opened = co_await open_direct();
  if (!opened) co_return opened;
  std::size_t written = 0;
  int fruitless = 0;
  while (written < bytes) {
    // A short direct write may end anywhere: what it leaves is not aligned any more. Of a resumable file it is begun
    // again at its block.
    if (resumable_) written = align_down(written, io::kDirectAlignment);
    if (written % io::kDirectAlignment != 0) {
      const Bytes rest = buffer.bytes().subspan(written, bytes - written);
      co_return co_await file_->write_all_at(rest, offset + written);
    }
    const Bytes part = buffer.bytes().subspan(written, bytes - written);
    const io::Result<std::size_t> now = co_await direct_->write_some_at(part, offset + written, buffer.fixed_buffer());
    if (!now) co_return std::unexpected(now.error());
    if (*now < io::kDirectAlignment) ++fruitless;
    if (*now == 0 || fruitless > kMostShortWrites) co_return io::fail(io::Errc::system, "write");
    written += *now;
  }
  co_return io::Result<>{};
}

io::Task<io::Result<>> BlobWriter::open_direct() {
  if (direct_) co_return io::Result<>{};
  io::Result<io::OwnedFd> fd = co_await directory_->directory.open_file(name_.c_str(), io::OpenMode::direct_write);
  if (!fd) co_return std::unexpected(fd.error());
  direct_.emplace(loop_, std::move(*fd));
  co_return io::Result<>{};
}

// What was not reserved must leave the floor alone: counted down from the last look at the disk, and looked again when
// that is used up.
io::Task<io::Result<>> BlobWriter::find_room(std::size_t bytes, uint64_t end) {
  if (end <= reserved_) co_return io::Result<>{};
  if (space_.bytes_above_floor() < bytes) {
    io::FileSystemStatus status;
    const io::Result<> looked = co_await directory_->directory.file_system(status);
    if (!looked) co_return looked;
    space_.free_bytes.store(status.free_bytes, std::memory_order_relaxed);
    if (space_.bytes_above_floor() < bytes) co_return io::fail(io::Errc::no_space, "write");
  }
  space_.take(bytes);
  co_return io::Result<>{};
}

io::Task<io::Result<>> BlobWriter::write_buffered(Bytes bytes, uint64_t offset) {
  const io::Result<> room = co_await find_room(bytes.size(), offset + bytes.size());
  if (!room) co_return room;
  const io::Result<> written = co_await file_->write_all_at(bytes, offset);
  if (!written) co_return written;
  // What goes through the page cache in bulk must not pile up there: a slow upload, or no O_DIRECT.
  dirty_ += bytes.size();
  if (dirty_ < kDirtyBytes) co_return io::Result<>{};
  dirty_ = 0;
  const uint64_t end = offset + bytes.size();
  const uint64_t start = std::exchange(written_behind_, end);
  co_return co_await file_->write_behind(start, end - start);
}

io::Task<io::Result<>> BlobWriter::reserve_ahead(uint64_t end) {
  if (end <= reserved_) co_return io::Result<>{};
  // As much ahead as the floor allows, else just what is needed.
  io::FileSystemStatus status;
  const io::Result<> looked = co_await directory_->directory.file_system(status);
  if (!looked) co_return looked;
  space_.free_bytes.store(status.free_bytes, std::memory_order_relaxed);
  uint64_t wanted = align_up(end, kReserveAhead);
  if (wanted - reserved_ > space_.bytes_above_floor()) wanted = end;
  if (wanted - reserved_ > space_.bytes_above_floor()) co_return io::fail(io::Errc::no_space, "reserve");
  co_return co_await reserve(wanted);
}

// Direct writes go to the device in their order, and a file system logs the new size behind the data: so of a resumable
// file all whole blocks are written directly. What the page cache holds may be counted by the size and be zeros after a
// crash: ext4 logs the size of a write that ends in a block which it has, and a direct write raises the size over what
// is still dirty before it.
std::size_t BlobWriter::least_direct_bytes() const {
  return resumable_ ? io::kDirectAlignment : kDirectBytes;
}

void BlobWriter::make_resumable(Checksums so_far, std::string tail, uint64_t reserved_bytes) {
  CHECK_THAT(appended_ == 0 && reserved_ == 0);
  CHECK_THAT(tail.size() == so_far.bytes() % io::kDirectAlignment);
  resumable_ = true;
  tail_ = std::move(tail);
  appended_ = stored_ = written_behind_ = so_far.bytes();
  reserved_ = std::max(appended_, reserved_bytes);
  checksums_ = std::move(so_far);
}

// It stays in memory too: its block is written once more when it is whole.
io::Task<io::Result<>> BlobWriter::write_tail() {
  if (stored_ == appended_) co_return io::Result<>{};
  const uint64_t offset = appended_ - tail_.size();
  const io::Result<> written = co_await write_buffered(as_bytes(tail_), offset);
  if (written) count_stored(appended_);
  co_return written;
}

io::Task<io::Result<>> BlobWriter::make_durable() {
  io::Result<> done = co_await wait_for_write();
  if (done) done = co_await write_tail();
  if (done && space_.durability == Durability::full) {
    done = co_await file_->sync_data();
    if (!done) space_.failed.store(true, std::memory_order_relaxed);
  }
  if (done && space_.failed.load()) done = io::fail(io::Errc::system, "storage", EIO);
  co_return done;
}

io::Task<io::Result<ParkedBlob>> BlobWriter::park() {
  const io::Result<> done = co_await make_durable();
  co_await writes_.join();
  if (done && leaves_open_) {
    BlobDirectory::LeftOpen left{id_, std::move(*file_), std::move(direct_)};
    directory_->left_open = std::make_unique<BlobDirectory::LeftOpen>(std::move(left));
  }
  direct_.reset();
  file_.reset();
  if (!done) co_return std::unexpected(done.error());
  ParkedBlob parked{id_, std::move(checksums_), reserved_};
  co_return std::move(parked);
}

io::Task<io::Result<>> BlobWriter::sync_entry() {
  if (space_.durability != Durability::full) co_return io::Result<>{};
  const io::Result<> synced = co_await directory_->sync.sync();
  if (!synced) space_.failed.store(true, std::memory_order_relaxed);
  co_return synced;
}

io::Task<io::Result<Extent>> BlobWriter::commit() {
  io::Result<> done = co_await wait_for_write();
  co_await writes_.join();
  if (done) done = co_await write_tail();
  observer_ = nullptr;
  if (done && reserved_ > appended_) done = co_await file_->truncate(appended_);
  if (done && space_.durability == Durability::full) done = co_await sync();
  // A sync of somebody else failed meanwhile: what the device says now is not to be believed.
  if (done && space_.failed.load()) done = io::fail(io::Errc::system, "storage", EIO);
  direct_.reset();
  file_.reset();
  if (!done) co_return std::unexpected(done.error());
  Extent extent{id_, appended_, checksums_.finish()};
  co_return std::move(extent);
}

// The file and its directory side by side.
io::Task<io::Result<>> BlobWriter::sync() {
  io::Result<> directory_synced;
  io::Task<> other = sync_directory(directory_synced);
  writes_.spawn(std::move(other));
  const io::Result<> file_synced = co_await file_->sync_data();
  co_await writes_.join();
  if (!file_synced || !directory_synced) space_.failed.store(true, std::memory_order_relaxed);
  co_return file_synced ? directory_synced : file_synced;
}

io::Task<> BlobWriter::sync_directory(io::Result<>& result) {
  result = co_await directory_->sync.sync();
}

void BlobWriter::settle() {
  if (std::exchange(settled_, true)) return;
  --directory_->unsettled;
}

io::Task<> BlobWriter::discard() {
  co_await writes_.join();
  const io::Result<> removed = co_await directory_->directory.remove_file(name_.c_str());
  if (removed) settle();
}

}  // namespace ringdrop::storage
