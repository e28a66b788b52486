#include "tests/sim/sim_disk.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

namespace ringdrop::sim {
namespace {

void replay(Content& content, const Inode::Change& change) {
  if (change.kind == Inode::Change::Kind::resize) {
    content.size = change.offset_or_size;
    if (content.bytes.size() > content.size) content.bytes.resize(content.size);
    return;
  }
  const uint64_t end = change.offset_or_size + change.bytes.size();
  if (content.bytes.size() < end) content.bytes.resize(end);
  content.size = std::max(content.size, end);
  // Not std::ranges::copy, which GCC 12 makes a loop over single bytes.
  std::copy_n(change.bytes.begin(), change.bytes.size(),
              content.bytes.begin() + static_cast<std::ptrdiff_t>(change.offset_or_size));
}

void replay(std::map<std::string, InodePtr>& entries, const Inode::EntryChange& change) {
  if (change.inode) {
    entries[change.name] = change.inode;
  } else {
    entries.erase(change.name);
  }
}

// Puts a part of a write where it belongs, as far as the file's size counts it.
void store(Content& content, const Inode::Change& change, std::size_t start, std::size_t length) {
  const uint64_t offset = change.offset_or_size + start;
  if (offset >= content.size) return;
  length = std::min<uint64_t>(length, content.size - offset);
  if (content.bytes.size() < offset + length) content.bytes.resize(offset + length);
  std::copy_n(change.bytes.begin() + static_cast<std::ptrdiff_t>(start), length,
              content.bytes.begin() + static_cast<std::ptrdiff_t>(offset));
}

// Keeps a random set of a write's sectors.
void tear(Content& content, const Inode::Change& change, Random& chance) {
  std::size_t start = 0;
  while (start < change.bytes.size()) {
    const std::size_t to_boundary = kSectorBytes - (change.offset_or_size + start) % kSectorBytes;
    const std::size_t length = std::min(to_boundary, change.bytes.size() - start);
    if (chance.one_in(2)) store(content, change, start, length);
    start += length;
  }
}

// Sets the file to what a power cut leaves of it: sim_disk.h says what that may be.
void crash_file(Inode& file, Random& chance) {
  file.locked = false;
  if (file.changes.empty()) return;
  enum Mood : uint64_t { everything, nothing, whole_writes, sectors };  // the first two: the ordinary cases
  const uint64_t mood = chance.below(4);
  const std::size_t count = file.changes.size();
  const std::size_t logged = mood == everything ? count : mood == nothing ? 0 : chance.below(count + 1);
  Content& left = file.durable_content;
  for (std::size_t i = 0; i < count; ++i) {
    const Inode::Change& change = file.changes[i];
    const bool counted = i < logged;
    if (counted && (change.direct || mood == everything || change.kind == Inode::Change::Kind::resize)) {
      replay(left, change);
      continue;
    }
    if (change.kind == Inode::Change::Kind::resize) continue;
    if (counted) left.size = std::max(left.size, change.offset_or_size + change.bytes.size());
    if (mood == sectors) tear(left, change, chance);
    if (mood == whole_writes && chance.one_in(2)) store(left, change, 0, change.bytes.size());
  }
  file.changes.clear();
  file.content = file.durable_content;
}

// Returns the bytes of the files below.
uint64_t crash_directory(Inode& directory, Random& chance) {
  const std::size_t survivors = chance.below(directory.entry_changes.size() + 1);
  for (std::size_t i = 0; i < survivors; ++i) replay(directory.durable_entries, directory.entry_changes[i]);
  directory.entry_changes.clear();
  directory.entries = directory.durable_entries;
  uint64_t bytes = 0;
  for (auto& [name, inode] : directory.entries) {
    inode->linked = true;
    if (inode->directory) {
      bytes += crash_directory(*inode, chance);
    } else {
      crash_file(*inode, chance);
      bytes += inode->content.size;
    }
  }
  return bytes;
}

void unlock_below(const Inode& directory) {
  for (const auto& [name, inode] : directory.entries) {
    inode->locked = false;
    unlock_below(*inode);
  }
}

}  // namespace

int SimDisk::resolve(const InodePtr& directory, std::string_view path, Place& place) const {
  InodePtr at = directory;
  while (path.starts_with('/')) path.remove_prefix(1);
  for (;;) {
    const std::size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    if (!at->directory) return -ENOTDIR;
    if (name.empty() || name == "..") return -EINVAL;
    if (slash == std::string_view::npos) {
      place = {at, std::string(name)};
      return 0;
    }
    const auto found = at->entries.find(std::string(name));
    if (found == at->entries.end()) return -ENOENT;
    at = found->second;
    path.remove_prefix(slash + 1);
  }
}

int SimDisk::open(const InodePtr& directory, std::string_view path, int flags, InodePtr& opened) {
  if (path == ".") {
    opened = directory;
    return 0;
  }
  Place place;
  const int error = resolve(directory, path, place);
  if (error != 0) return error;
  const auto found = place.parent->entries.find(place.name);
  if (found != place.parent->entries.end()) {
    if ((flags & O_CREAT) && (flags & O_EXCL)) return -EEXIST;
    if ((flags & O_DIRECTORY) && !found->second->directory) return -ENOTDIR;
    opened = found->second;
    return 0;
  }
  if (!(flags & O_CREAT)) return -ENOENT;
  opened = std::make_shared<Inode>(false);
  place.parent->entries[place.name] = opened;
  place.parent->entry_changes.push_back({place.name, opened});
  return 0;
}

int SimDisk::make_directory(const InodePtr& directory, std::string_view path) {
  Place place;
  const int error = resolve(directory, path, place);
  if (error != 0) return error;
  if (place.parent->entries.contains(place.name)) return -EEXIST;
  const auto made = std::make_shared<Inode>(true);
  place.parent->entries[place.name] = made;
  place.parent->entry_changes.push_back({place.name, made});
  return 0;
}

int SimDisk::unlink(const InodePtr& directory, std::string_view path, bool remove_directory) {
  Place place;
  const int error = resolve(directory, path, place);
  if (error != 0) return error;
  const auto found = place.parent->entries.find(place.name);
  if (found == place.parent->entries.end()) return -ENOENT;
  if (found->second->directory != remove_directory) return remove_directory ? -ENOTDIR : -EISDIR;
  if (remove_directory && !found->second->entries.empty()) return -ENOTEMPTY;
  // What is removed counts no more, open or not: as if its last descriptor were closed at once.
  used_bytes_ -= found->second->content.size;
  found->second->linked = false;
  place.parent->entries.erase(found);
  place.parent->entry_changes.push_back({place.name, nullptr});
  return 0;
}

int64_t SimDisk::read(const Inode& file, MutableBytes into, uint64_t offset) const {
  if (file.directory) return -EISDIR;
  if (offset >= file.content.size) return 0;
  const std::size_t count = std::min<uint64_t>(into.size(), file.content.size - offset);
  const std::vector<std::byte>& bytes = file.content.bytes;
  const std::size_t written = offset < bytes.size() ? std::min<uint64_t>(count, bytes.size() - offset) : 0;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(std::min<uint64_t>(offset, bytes.size())), written,
              into.begin());
  std::fill_n(into.begin() + static_cast<std::ptrdiff_t>(written), count - written, std::byte{0});
  return static_cast<int64_t>(count);
}

int SimDisk::grow(Inode& file, uint64_t size) {
  if (size <= file.content.size) return 0;
  if (used_bytes_ + size - file.content.size > capacity_bytes_) return -ENOSPC;
  return 0;
}

void SimDisk::change(Inode& file, Inode::Change change) {
  if (file.linked) used_bytes_ -= file.content.size;
  replay(file.content, change);
  if (file.linked) used_bytes_ += file.content.size;
  file.changes.push_back(std::move(change));
}

int64_t SimDisk::write(Inode& file, Bytes bytes, uint64_t offset, bool direct) {
  if (const int error = grow(file, offset + bytes.size()); error != 0) return error;
  change(file, {Inode::Change::Kind::write, offset, {bytes.begin(), bytes.end()}, direct});
  return static_cast<int64_t>(bytes.size());
}

int SimDisk::resize(Inode& file, uint64_t size) {
  if (const int error = grow(file, size); error != 0) return error;
  change(file, {Inode::Change::Kind::resize, size, {}});
  return 0;
}

int SimDisk::allocate(Inode& file, uint64_t size) {
  return size <= file.content.size ? 0 : resize(file, size);
}

void SimDisk::sync(Inode& inode) {
  if (ignore_syncs_) return;
  for (const Inode::Change& change : inode.changes) replay(inode.durable_content, change);
  inode.changes.clear();
  for (const Inode::EntryChange& change : inode.entry_changes) replay(inode.durable_entries, change);
  inode.entry_changes.clear();
}

io::FileSystemStatus SimDisk::status() const {
  return {used_bytes_ < capacity_bytes_ ? capacity_bytes_ - used_bytes_ : 0, capacity_bytes_, "sim"};
}

void SimDisk::crash(Random& chance) {
  used_bytes_ = crash_directory(*root_, chance);
}

void SimDisk::kill() {
  unlock_below(*root_);
}

}  // namespace ringdrop::sim
