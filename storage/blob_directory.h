// A directory of blobs that one loop is filling, and whether all that was begun in it has ended.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "io/event_loop.h"
#include "io/file.h"
#include "storage/blob_id.h"
#include "storage/directory_sync.h"

namespace ringdrop::storage {

struct BlobDirectory {
  BlobDirectory(io::EventLoop& loop, uint32_t directory_number, io::Directory opened)
      : number(directory_number), directory(std::move(opened)), sync(loop, directory) {}

  bool full() const { return next_serial == kFilesPerDirectory; }

  const uint32_t number;
  io::Directory directory;
  DirectorySync sync;
  uint32_t next_serial = 0;
  // Blobs begun here of which it is not yet settled that their row is durable or their file is gone. The mark below
  // unsettled/ stays as long as there is one.
  uint32_t unsettled = 0;

  // The file here that was put aside last stays open for a moment: most uploads that come in pieces go on at once.
  struct LeftOpen {
    BlobId id;
    io::File file;
    std::optional<io::File> direct;
  };
  std::unique_ptr<LeftOpen> left_open;
};

}  // namespace ringdrop::storage
