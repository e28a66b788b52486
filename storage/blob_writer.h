// Writes one blob's file from its first byte to its commit: two buffers in flight (the caller fills one while the other
// is written), O_DIRECT where length and file system allow, the unaligned rest through a second, buffered descriptor, a
// checksum a 64 MiB as the bytes pass.
//
// Not here: that the blob becomes visible. That is the catalogue's row, which the caller writes between commit() and
// settle().
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/buffer_pool.h"
#include "io/event_loop.h"
#include "io/file.h"
#include "io/task.h"
#include "io/task_scope.h"
#include "io/wait_list.h"
#include "storage/blob_directory.h"
#include "storage/blob_id.h"
#include "storage/blob_space.h"
#include "storage/checksums.h"

namespace ringdrop::storage {

// A part of a blob: a whole file. A blob is 1 to 64 of them.
struct Extent {
  BlobId file;
  uint64_t length_bytes = 0;
  std::string checksums;  // kChecksumBytes for each begun 64 MiB
};

// An unfinished file that was put aside: what is needed to go on with it, without a descriptor.
struct ParkedBlob {
  BlobId file;
  Checksums checksums;  // of its bytes: checksums.bytes() is its durable size
  // The disk holds space for so many bytes: BlobStore::cut() gives back what is behind its own.
  uint64_t reserved_bytes = 0;
};

class BlobWriter {
 public:
  // For BlobStore::create(); the directory's `unsettled` counts this writer already.
  BlobWriter(io::EventLoop& loop, BlobSpace& space, std::shared_ptr<BlobDirectory> directory, BlobId id, io::File file);
  // No write is in flight: commit() or discard() was awaited. Without settle() or discard() the directory stays marked,
  // and the next start looks after the file.
  ~BlobWriter();
  BlobWriter(const BlobWriter&) = delete;
  BlobWriter& operator=(const BlobWriter&) = delete;

  // Shows every piece of the blob to `observer`, in order, while it is being written: a digest, without a second read.
  // The bytes live until its task has ended; the next piece waits for it. Before the first append().
  void observe(std::move_only_function<io::Task<>(Bytes)> observer) { observer_ = std::move(observer); }

  // `counter` is told the bytes whose write has completed, those before this file (`before`) included. It outlives the
  // writer.
  void report_to(std::atomic<uint64_t>* counter, uint64_t before) {
    counter_ = counter;
    before_ = before;
  }

  // Reserves disk space for `length` bytes, so that later writes find it and do not extend the file. no_space.
  io::Task<io::Result<>> reserve(uint64_t length);

  // The next `bytes` bytes of the blob, from the front of `buffer`. Returns when the buffer before it is written: this
  // one is still under way. no_space, system; an error is final.
  io::Task<io::Result<>> append(io::Buffer buffer, std::size_t bytes);

  // The same from memory of the caller's, for pieces that fill no buffer: returns when it is written.
  io::Task<io::Result<>> write(Bytes bytes);

  // How long the next append should be at most so that it ends where a direct write can begin, for a buffer of that
  // size.
  std::size_t room_to_alignment(std::size_t buffer_bytes) const;

  uint64_t bytes_appended() const { return appended_; }
  // Bytes whose write has completed: what a watcher may be told.
  uint64_t bytes_stored() const { return stored_; }

  // For a file that may be gone on with later: its whole blocks are written directly and in their order, so that a
  // crash leaves a size whose whole blocks are there. The bytes behind the last whole block wait in memory, and go
  // through the page cache when all is to be durable: after a crash they count only where the caller has noted their
  // end. Space is reserved behind it. Before the first append(); its bytes are those of `so_far`, and `tail` those
  // behind the last whole block.
  void make_resumable(Checksums so_far, std::string tail, uint64_t reserved_bytes);
  // It goes on with a file that was left open in its directory; and leaves it open there when it is put aside again.
  void use_left_open(std::optional<io::File> direct) {
    leaves_open_ = true;
    if (direct) direct_.emplace(std::move(*direct));
  }
  // Everything appended is durable, and the descriptors are given up; go on by BlobStore::reopen(). no_space, system.
  io::Task<io::Result<ParkedBlob>> park();
  // Everything appended so far is durable: bytes_stored() counts it. no_space, system.
  io::Task<io::Result<>> make_durable();
  // Of everything appended so far.
  const Checksums& checksums() const { return checksums_; }
  // The file's entry in its directory is durable.
  io::Task<io::Result<>> sync_entry();

  // Everything is written, and durable as the configuration says: the file's data and size, its directory entry.
  // no_space, system. After a failed sync the store takes nothing more. Its descriptors are closed.
  io::Task<io::Result<Extent>> commit();

  // The row that names the blob is durable: nobody needs to look after the file any more.
  void settle();
  // Removes the file. Waits for what is in flight. A failure leaves garbage for the next start.
  io::Task<> discard();

 private:
  io::Task<> show(Bytes bytes);
  void count_stored(uint64_t bytes);
  void put_behind_tail(const io::Buffer& buffer, std::size_t bytes);
  io::Task<> write_out(io::Buffer buffer, std::size_t front, std::size_t bytes, uint64_t offset);
  io::Task<io::Result<>> write_parts(const io::Buffer& buffer, std::size_t bytes, uint64_t offset);
  io::Task<io::Result<>> write_direct(const io::Buffer& buffer, std::size_t bytes, uint64_t offset);
  io::Task<io::Result<>> write_tail();
  io::Task<io::Result<>> write_buffered(Bytes bytes, uint64_t offset);
  io::Task<io::Result<>> open_direct();
  io::Task<io::Result<>> reserve_ahead(uint64_t end);
  io::Task<io::Result<>> find_room(std::size_t bytes, uint64_t end);
  io::Task<io::Result<>> wait_for_write();
  io::Task<io::Result<>> sync();
  io::Task<> sync_directory(io::Result<>& result);
  // What a direct write has at least.
  std::size_t least_direct_bytes() const;

  io::EventLoop& loop_;
  BlobSpace& space_;
  std::shared_ptr<BlobDirectory> directory_;
  BlobId id_;
  std::string name_;
  std::optional<io::File> file_;
  std::optional<io::File> direct_;
  std::move_only_function<io::Task<>(Bytes)> observer_;
  std::atomic<uint64_t>* counter_ = nullptr;
  uint64_t before_ = 0;
  Checksums checksums_;
  uint64_t appended_ = 0;
  uint64_t stored_ = 0;
  uint64_t reserved_ = 0;  // the file's size, when larger than what was written
  bool reserve_unsupported_ = false;
  bool resumable_ = false;
  bool leaves_open_ = false;
  std::string tail_;             // of a resumable file: what is behind its last whole block
  uint64_t dirty_ = 0;           // bytes in the page cache that were not given to the device yet
  uint64_t written_behind_ = 0;  // all before this offset was
  bool settled_ = false;
  bool write_in_flight_ = false;
  std::optional<io::Error> failure_;
  io::WaitList written_;
  io::TaskScope writes_;
};

}  // namespace ringdrop::storage
