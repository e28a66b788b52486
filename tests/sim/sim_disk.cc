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
  std::ranges::copy(change.bytes, content.bytes.begin() + static_cast<std::ptrdiff_t>(change.offset_or_size));
}

void replay(std::map<std::string, InodePtr>& entries, const Inode::EntryChange& change) {
  if (change.inode) {
    entries[change.name] = change.inode;
  } else {
    entries.erase(change.name);
  }
}

// Keeps a random set of a write's sectors.
void tear(Content& content, const Inode::Change& change, Random& chance) {
  for (std::size_t start = 0; start < change.bytes.size(); start += kSectorBytes) {
    if (chance.one_in(2)) continue;
    const std::size_t length = std::min(kSectorBytes, change.bytes.size() - start);
    Inode::Change sector{change.kind, change.offset_or_size + start, {}};
    sector.bytes.assign(change.bytes.begin() + static_cast<std::ptrdiff_t>(start),
                        change.bytes.begin() + static_cast<std::ptrdiff_t>(start + length));
    replay(content, sector);
  }
}

void crash_file(Inode& file, Random& chance) {
  // Once in a while everything or nothing survives: the ordinary cases.
  const uint64_t mood = chance.below(4);
  for (const Inode::Change& change : file.changes) {
    const bool keep = mood == 0 || (mood != 1 && chance.one_in(2));
    if (keep && mood == 3 && change.kind == Inode::Change::Kind::write) {
      tear(file.durable_content, change, chance);
    } else if (keep) {
      replay(file.durable_content, change);
    }
  }
  file.changes.clear();
  file.content = file.durable_content;
  file.locked = false;
}

// What is removed counts no more, open or not: as if its last descriptor were closed at once.
uint64_t bytes_below(const Inode& inode) {
  uint64_t bytes = inode.content.size;
  for (const auto& [name, child] : inode.entries) bytes += bytes_below(*child);
  return bytes;
}

void crash_directory(Inode& directory, Random& chance) {
  const std::size_t survivors = chance.below(directory.entry_changes.size() + 1);
  for (std::size_t i = 0; i < survivors; ++i) replay(directory.durable_entries, directory.entry_changes[i]);
  directory.entry_changes.clear();
  directory.entries = directory.durable_entries;
  for (auto& [name, inode] : directory.entries) {
    if (inode->directory) {
      crash_directory(*inode, chance);
    } else {
      crash_file(*inode, chance);
    }
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

uint64_t SimDisk::used_bytes() const {
  return bytes_below(*root_);
}

int SimDisk::grow(Inode& file, uint64_t size) {
  if (size <= file.content.size) return 0;
  if (used_bytes() + size - file.content.size > capacity_bytes_) return -ENOSPC;
  return 0;
}

int64_t SimDisk::write(Inode& file, Bytes bytes, uint64_t offset) {
  if (const int error = grow(file, offset + bytes.size()); error != 0) return error;
  Inode::Change change{Inode::Change::Kind::write, offset, {bytes.begin(), bytes.end()}};
  replay(file.content, change);
  file.changes.push_back(std::move(change));
  return static_cast<int64_t>(bytes.size());
}

int SimDisk::resize(Inode& file, uint64_t size) {
  if (const int error = grow(file, size); error != 0) return error;
  Inode::Change change{Inode::Change::Kind::resize, size, {}};
  replay(file.content, change);
  file.changes.push_back(std::move(change));
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
  const uint64_t used = used_bytes();
  return {used < capacity_bytes_ ? capacity_bytes_ - used : 0, capacity_bytes_, "sim"};
}

void SimDisk::crash(Random& chance) {
  crash_directory(*root_, chance);
}

}  // namespace ringdrop::sim
