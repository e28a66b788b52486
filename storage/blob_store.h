// The blobs of the data directory as one loop sees them: it fills directories of its own, so that a group of commits on
// that loop needs one directory sync, and reads or removes any. FORMAT.md describes the tree.
//
// Not here: which blob is visible, under which name, until when. That is the catalogue's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/event_loop.h"
#include "io/file.h"
#include "io/task.h"
#include "io/wait_list.h"
#include "storage/blob_directory.h"
#include "storage/blob_id.h"
#include "storage/blob_reader.h"
#include "storage/blob_space.h"
#include "storage/blob_writer.h"
#include "storage/open_blobs.h"

namespace ringdrop::storage {

class BlobStore {
 public:
  // Makes the data directory what FORMAT.md says and takes it for this process: once, before any open(). Learns the
  // next directory number and the free space. The File is the lock: hold it for as long as any store is open. exists:
  // another server has it.
  static io::Task<io::Result<io::File>> prepare(io::EventLoop& loop, const std::string& data_dir, BlobSpace& space);

  // A loop's view. `space` outlives it.
  static io::Task<io::Result<std::unique_ptr<BlobStore>>> open(io::EventLoop& loop, const std::string& data_dir,
                                                               BlobSpace& space);
  // Waits for nothing: close() before, unless the process is to look as if it had crashed.
  ~BlobStore();

  // Whether a file of `length` bytes, or of unknown length, may begin, as far as is known: asks the disk only where it
  // is large or room is short. no_space (the floor included), system (a failed store too).
  io::Task<io::Result<>> check_begin(std::optional<uint64_t> length);
  // So many bytes go to the same disk by another way, until the next look at it.
  void count_taken(uint64_t bytes) { space_.take(bytes); }
  // A new blob of `length` bytes, or of unknown length; its space is reserved. no_space (the floor included),
  // exhausted, system (a failed store too).
  io::Task<io::Result<std::unique_ptr<BlobWriter>>> create(std::optional<uint64_t> length);
  // Goes on with a file that was put aside; `length`: of the whole blob, when it is known: its space is reserved.
  // corrupt: the file is gone. no_space, exhausted, system.
  io::Task<io::Result<std::unique_ptr<BlobWriter>>> reopen(ParkedBlob parked, std::optional<uint64_t> length);
  // What is in an unfinished file, made durable first: its size. corrupt: it is gone.
  io::Task<io::Result<io::FileStatus>> durable_status(BlobId id);
  // Cuts an unfinished file to `size_bytes`, durably; also gives back what was reserved behind it. corrupt: it is gone,
  // or shorter.
  io::Task<io::Result<>> cut(BlobId id, uint64_t size_bytes);
  BlobReader open_reader(std::vector<Extent> extents);
  // The row that names it is gone. not_found when the file is gone already.
  io::Task<io::Result<>> remove(BlobId id);
  // The same for many, ascending: those that are not there any more, whatever crashes next. What cannot be removed is
  // logged and stays.
  io::Task<io::Result<std::vector<BlobId>>> remove_durably(const std::vector<BlobId>& ids);
  // Whether `bytes` more can be taken now. no_space, system.
  io::Task<io::Result<>> check_room(uint64_t bytes);
  // Whether a blob could be made now: there is room, and the directory takes an entry (which is gone again when this
  // returns). no_space; system with EROFS, ENOENT (the directory was removed), EIO.
  io::Task<io::Result<>> probe();

  // Directories that may hold files without a row: what a crash has left, and what is being filled.
  io::Task<io::Result<std::vector<uint32_t>>> unsettled_directories();
  // The blobs in a directory; not_found when it does not exist.
  io::Task<io::Result<std::vector<BlobId>>> list(uint32_t directory);
  // Each file in it has a row: it need not be looked at again.
  io::Task<io::Result<>> mark_settled(uint32_t directory);

  // A sync has failed: nothing more is taken until the next start.
  bool failed() const { return space_.failed.load(std::memory_order_relaxed); }
  // What an acknowledged upload survives here: what was asked for, or less where the file system keeps no word.
  Durability durability() const { return space_.keeps_no_word.load() ? Durability::process : space_.durability; }

  // Takes the marks of directories that are full and settled away, and looks at the free space. From time to time.
  io::Task<io::Result<>> upkeep();
  // After the last upload: settles what can be settled.
  io::Task<> close();

  // Free space for the unprivileged, at the time of the call; remembered in the space. Also the file system's type.
  io::Task<io::Result<io::FileSystemStatus>> file_system();

 private:
  BlobStore(io::EventLoop& loop, BlobSpace& space, io::Directory blobs, io::Directory unsettled);

  io::Task<io::Result<std::shared_ptr<BlobDirectory>>> directory_to_fill();
  io::Task<io::Result<std::shared_ptr<BlobDirectory>>> directory_of(BlobId id);
  io::Task<io::Result<>> sync_unfinished(io::File& file);
  io::Task<io::Result<io::File>> open_unfinished(const io::Directory& directory, const std::string& path);
  io::Task<io::Result<std::shared_ptr<BlobDirectory>>> make_directory(uint32_t number);
  io::Task<io::Result<>> take_marks_away();
  io::Task<io::Result<>> sync(const io::Directory& directory);

  io::EventLoop& loop_;
  BlobSpace& space_;
  io::Directory blobs_;
  io::Directory unsettled_;
  std::shared_ptr<BlobDirectory> filling_;
  std::vector<std::shared_ptr<BlobDirectory>> filled_;
  std::shared_ptr<BlobDirectory> gone_on_in_;
  OpenBlobs open_blobs_;
  bool making_directory_ = false;
  io::WaitList directory_made_;
};

}  // namespace ringdrop::storage
