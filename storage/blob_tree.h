// The blobs of a data directory as one who comes from outside finds them: what is there under which name, whole or not.
// Blocking, beside a running server or without one; the server's own view is BlobStore.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "io/local_files.h"
#include "storage/blob_id.h"
#include "storage/blob_writer.h"

namespace ringdrop::storage {

// "blobs/0000002a/0b3", relative to the data directory.
std::string path_in_data(BlobId id);

struct DirectoryNumbers {
  std::vector<uint32_t> numbers;       // ascending
  std::vector<std::string> strangers;  // entries that no server has made
};

struct FoundBlob {
  BlobId id;
  uint64_t size_bytes = 0;
  bool regular = true;
};

struct FoundBlobs {
  std::vector<FoundBlob> blobs;  // ascending
  std::vector<std::string> strangers;
  bool foreign = false;  // what has the directory's name is none: a file, a symbolic link, ...
};

// What re-reading an extent has shown.
struct ScannedExtent {
  uint64_t size_bytes = 0;           // of its file
  std::vector<uint64_t> rotten;      // offsets of spans whose bytes are not those that were stored
  std::vector<uint64_t> unreadable;  // of spans that could not be read
  std::vector<uint64_t> unknown;     // of spans of which no checksum was stored
  bool sound(uint64_t length_bytes) const {
    return size_bytes == length_bytes && rotten.empty() && unreadable.empty() && unknown.empty();
  }
};

// Errors of all: not_found, exhausted, system.
class BlobTree {
 public:
  static io::Result<BlobTree> open(const std::string& data_dir);

  // For as long as the result lives no server can use the directory. exists: one does.
  io::Result<io::LocalFd> lock() const { return root_.lock("lock"); }

  io::Result<DirectoryNumbers> directories() const;
  // The marks in unsettled/.
  io::Result<DirectoryNumbers> marks() const;
  io::Result<bool> is_marked(uint32_t directory) const;
  // No blobs when the directory does not exist, or is foreign.
  io::Result<FoundBlobs> list(uint32_t directory) const;
  // nullopt: there is no such file, or its directory is foreign.
  io::Result<std::optional<FoundBlob>> find(BlobId id) const;

  // Not durable before sync(). No error when it is gone already. corrupt: its directory is foreign.
  io::Result<> remove(BlobId id) const;
  io::Result<> sync(uint32_t directory) const;

  // Reads all of an extent's file and compares. `see` gets what can be read of it, in order, and is asked whether to go
  // on: of a sound extent it has seen all. cancelled: it said no. not_found: there is no such file.
  io::Result<ScannedExtent> scan(const Extent& extent, const std::function<bool(Bytes)>& see) const;

  const io::LocalDirectory& blobs() const { return blobs_; }

 private:
  BlobTree(io::LocalDirectory root, io::LocalDirectory blobs) : root_(std::move(root)), blobs_(std::move(blobs)) {}

  io::LocalDirectory root_;
  io::LocalDirectory blobs_;
};

}  // namespace ringdrop::storage
