#include "storage/blob_tree.h"

#include <algorithm>
#include <utility>

#include "io/buffer_pool.h"
#include "io/direct_buffer.h"
#include "storage/checksums.h"

namespace ringdrop::storage {
namespace {

using io::Errc;
using io::Result;

constexpr std::size_t kPieceBytes = kMiB;
static_assert(kChecksumSpan % kPieceBytes == 0 && kPieceBytes % io::kDirectAlignment == 0);

// Reads the spans of one file one after the other.
class SpanReader {
 public:
  SpanReader(const io::ScannedFile& file, const std::function<bool(Bytes)>& see) : file_(file), see_(see) {}

  // The checksum of the span that begins at `offset`. Errors of the file; cancelled.
  Result<std::string> read(uint64_t offset, uint64_t length) {
    Checksums checksums;
    for (uint64_t done = 0; done < length;) {
      const std::size_t wanted = std::min<uint64_t>(kPieceBytes, length - done);
      // Whole blocks are asked for; what lies behind the length is not looked at.
      const Result<std::size_t> got = file_.read_at(piece_.bytes(), offset + done);
      if (!got) return std::unexpected(got.error());
      if (*got < wanted) return io::fail(Errc::corrupt, "read");
      const Bytes bytes = piece_.bytes().first(wanted);
      checksums.update(bytes);
      if (!see_(bytes)) return io::fail(Errc::cancelled, "read");
      done += wanted;
    }
    return checksums.finish();
  }

 private:
  const io::ScannedFile& file_;
  const std::function<bool(Bytes)>& see_;
  io::DirectBuffer piece_{kPieceBytes};
};

Result<DirectoryNumbers> numbered(const io::LocalDirectory& directory) {
  const Result<std::vector<std::string>> names = directory.list();
  if (!names) return std::unexpected(names.error());
  DirectoryNumbers found;
  for (const std::string& name : *names) {
    const std::optional<uint32_t> number = parse_hex_name(name, 8);
    Result<io::LocalDirectory> opened = io::fail(Errc::corrupt, "open");
    if (number) opened = directory.open_directory(name);
    if (opened) {
      found.numbers.push_back(*number);
    } else if (opened.error().code == Errc::corrupt) {
      found.strangers.push_back(name);
    } else if (opened.error().code != Errc::not_found) {  // removed a moment ago
      return std::unexpected(opened.error());
    }
  }
  std::ranges::sort(found.numbers);
  return found;
}

}  // namespace

std::string path_in_data(BlobId id) {
  return "blobs/" + path_of(id);
}

Result<BlobTree> BlobTree::open(const std::string& data_dir) {
  Result<io::LocalDirectory> root = io::LocalDirectory::open(data_dir);
  if (!root) return std::unexpected(root.error());
  Result<io::LocalDirectory> blobs = root->open_directory("blobs");
  if (!blobs) return std::unexpected(blobs.error());
  return BlobTree(*std::move(root), *std::move(blobs));
}

Result<DirectoryNumbers> BlobTree::directories() const {
  return numbered(blobs_);
}

Result<DirectoryNumbers> BlobTree::marks() const {
  const Result<io::LocalDirectory> unsettled = root_.open_directory("unsettled");
  if (!unsettled && unsettled.error().code == Errc::not_found) return DirectoryNumbers{};
  if (!unsettled) return std::unexpected(unsettled.error());
  Result<DirectoryNumbers> found = numbered(*unsettled);
  if (found) std::erase(found->strangers, kProbeName);
  return found;
}

Result<bool> BlobTree::is_marked(uint32_t directory) const {
  const Result<io::FileStatus> mark = root_.status("unsettled/" + directory_name(directory));
  if (!mark && mark.error().code == Errc::not_found) return false;
  if (!mark) return std::unexpected(mark.error());
  return true;
}

Result<FoundBlobs> BlobTree::list(uint32_t directory) const {
  FoundBlobs found;
  const Result<io::LocalDirectory> opened = blobs_.open_directory(directory_name(directory));
  found.foreign = !opened && opened.error().code == Errc::corrupt;
  if (found.foreign || (!opened && opened.error().code == Errc::not_found)) return found;
  if (!opened) return std::unexpected(opened.error());
  const Result<std::vector<std::string>> names = opened->list();
  if (!names) return std::unexpected(names.error());
  for (const std::string& name : *names) {
    const std::optional<uint32_t> serial = parse_hex_name(name, 3);
    if (!serial) {
      found.strangers.push_back(name);
      continue;
    }
    const Result<io::FileStatus> status = opened->status(name);
    if (!status && status.error().code == Errc::not_found) continue;  // removed a moment ago
    if (!status) return std::unexpected(status.error());
    found.blobs.push_back({BlobId::make(directory, *serial), status->size_bytes, status->regular});
  }
  std::ranges::sort(found.blobs, {}, &FoundBlob::id);
  return found;
}

Result<std::optional<FoundBlob>> BlobTree::find(BlobId id) const {
  // Step by step: stat(2) would follow a symbolic link on the way.
  const Result<io::LocalDirectory> opened = blobs_.open_directory(directory_name(id.directory()));
  const bool is_none = !opened && (opened.error().code == Errc::not_found || opened.error().code == Errc::corrupt);
  if (is_none) return std::nullopt;
  if (!opened) return std::unexpected(opened.error());
  const Result<io::FileStatus> status = opened->status(id.file_name());
  if (!status && status.error().code == Errc::not_found) return std::nullopt;
  if (!status) return std::unexpected(status.error());
  return FoundBlob{id, status->size_bytes, status->regular};
}

Result<> BlobTree::remove(BlobId id) const {
  const Result<io::LocalDirectory> opened = blobs_.open_directory(directory_name(id.directory()));
  if (!opened && opened.error().code == Errc::not_found) return {};
  if (!opened) return std::unexpected(opened.error());
  Result<> removed = opened->remove_file(id.file_name());
  if (!removed && removed.error().code == Errc::not_found) removed = Result<>{};
  return removed;
}

Result<> BlobTree::sync(uint32_t directory) const {
  const Result<io::LocalDirectory> opened = blobs_.open_directory(directory_name(directory));
  if (!opened) return std::unexpected(opened.error());
  return opened->sync();
}

Result<ScannedExtent> BlobTree::scan(const Extent& extent, const std::function<bool(Bytes)>& see) const {
  const Result<io::ScannedFile> file = root_.open_scanned(path_in_data(extent.file));
  if (!file) return std::unexpected(file.error());
  ScannedExtent result;
  result.size_bytes = file->size_bytes();
  SpanReader reader(*file, see);
  const uint64_t length = std::min(result.size_bytes, extent.length_bytes);
  for (uint64_t offset = 0; offset < length; offset += kChecksumSpan) {
    const Result<std::string> checksum = reader.read(offset, std::min(kChecksumSpan, length - offset));
    if (!checksum && checksum.error().code == Errc::cancelled) return std::unexpected(checksum.error());
    if (!checksum) {
      result.unreadable.push_back(offset);
      continue;
    }
    const std::size_t at = offset / kChecksumSpan * kChecksumBytes;
    if (extent.checksums.size() < at + kChecksumBytes) {
      result.unknown.push_back(offset);
    } else if (extent.checksums.compare(at, kChecksumBytes, *checksum) != 0) {
      result.rotten.push_back(offset);
    }
  }
  return result;
}

}  // namespace ringdrop::storage
