#include "server/backup_place.h"

#include <cstdio>
#include <vector>

#include "server/cli.h"
#include "server/maintenance.h"

namespace ringdrop::server {
namespace {

using io::Errc;
using io::LocalDirectory;
using io::Result;

constexpr const char* kBackup = "backup";
constexpr const char* kLock = "incomplete-backup";

// Why not, and what the system says of it.
struct Refusal {
  const char* why;
  io::Error error;
};

// What stands at DIR itself.
std::optional<Refusal> refusal_of_target(const std::string& target) {
  const Result<LocalDirectory> there = LocalDirectory::open(target);
  if (!there && there.error().code == Errc::not_found) return std::nullopt;
  if (!there) return Refusal{"cannot be used", there.error()};
  const Result<bool> mounted = there->is_mount_point();
  if (!mounted) return Refusal{"cannot be used", mounted.error()};
  // It cannot take the place of one, and what was made beside it would be on another file system.
  if (*mounted) return Refusal{"it is a mount point: give a new directory in it", {Errc::refused, 0, "open"}};
  const Result<std::vector<std::string>> names = there->list();
  if (!names) return Refusal{"cannot be used", names.error()};
  if (names->empty()) return std::nullopt;
  return Refusal{"there is something already: give a new or an empty directory", {Errc::exists, 0, "list"}};
}

std::optional<Refusal> refusal_of_file_system(const std::string& target, const LocalDirectory& data) {
  const Result<LocalDirectory> parent = LocalDirectory::open(io::parent_path(target));
  if (!parent) return Refusal{"cannot be made", parent.error()};
  const Result<bool> shared = parent->is_on_file_system_of(data);
  if (!shared) return Refusal{"cannot be used", shared.error()};
  if (!*shared) return std::nullopt;
  return Refusal{"it is on the file system of the data; is its own not mounted?", {Errc::refused, 0, "stat"}};
}

// Everything but the lock goes.
Result<> clear(const LocalDirectory& root, const std::string& path, io::Interruption& interruption) {
  const Result<std::vector<std::string>> names = root.list();
  if (!names) return std::unexpected(names.error());
  for (const std::string& name : *names) {
    if (name == kLock) continue;
    const std::string below = path + '/' + name;
    const Result<LocalDirectory> directory = root.open_directory(name);
    // One level down piece by piece: there may be millions of files.
    const Result<std::vector<std::string>> parts = directory ? directory->list() : std::vector<std::string>();
    if (!parts) return std::unexpected(parts.error());
    for (const std::string& part : *parts) {
      if (interruption.requested()) return io::fail(Errc::cancelled, "remove");
      const Result<> removed = io::remove_local_tree(below + '/' + part);
      if (!removed) return removed;
    }
    const Result<> removed = io::remove_local_tree(below);
    if (!removed) return removed;
  }
  return root.sync();
}

}  // namespace

std::optional<BackupPlace> BackupPlace::take(const std::string& target, const LocalDirectory* data_elsewhere,
                                             io::Interruption& interruption, int& exit_code) {
  exit_code = kExitConfig;
  const auto refused = [](const char* why, const std::string& where, const io::Error& error) {
    complain(kBackup, why, where, error);
    return std::nullopt;
  };
  const Result<std::string> resolved = io::resolved_path(target);
  if (!resolved) return refused("cannot be used", target, resolved.error());
  std::optional<Refusal> refusal = refusal_of_target(*resolved);
  if (!refusal && data_elsewhere != nullptr) refusal = refusal_of_file_system(*resolved, *data_elsewhere);
  if (refusal) return refused(refusal->why, *resolved, refusal->error);

  const std::string partial = *resolved + ".partial";
  Result<> made = io::make_local_directory(partial);
  // An empty one goes and comes again: only who has made it puts a lock into it.
  if (!made && made.error().code == Errc::exists && io::remove_local_directory(partial)) {
    made = io::make_local_directory(partial);
  }
  if (!made && made.error().code != Errc::exists) return refused("cannot be made", partial, made.error());
  Result<LocalDirectory> root = LocalDirectory::open(partial);
  if (!root) return refused("cannot be used", partial, root.error());
  Result<io::LocalFd> lock = made ? root->lock(kLock) : root->lock_existing(kLock);
  if (!lock && lock.error().code == Errc::exists) return refused("another backup makes it", partial, lock.error());
  if (!lock && lock.error().code == Errc::not_found) {
    return refused(
        "no backup that broke off has left this: remove it yourself, or rename it where its name is all that is "
        "missing",
        partial, lock.error());
  }
  if (!lock) return refused("cannot be locked", partial, lock.error());
  const Result<> cleared = clear(*root, partial, interruption);
  if (!cleared && cleared.error().code == Errc::cancelled) {
    std::fputs("backup: stopped while it removed what an earlier one has left\n", stdout);
    exit_code = kExitInterrupted;
    return std::nullopt;
  }
  if (!cleared) return refused("what an earlier backup has left cannot be cleared away", partial, cleared.error());
  return BackupPlace(*resolved, partial, *std::move(root), *std::move(lock));
}

Result<> BackupPlace::become_target() {
  Result<> done = root_.remove_file(kLock);
  if (done) done = root_.sync();
  if (done) done = io::rename_local_directory(partial_, target_);
  return done;
}

Result<> BackupPlace::sync_name() const {
  const Result<LocalDirectory> parent = LocalDirectory::open(io::parent_path(target_));
  if (!parent) return std::unexpected(parent.error());
  return parent->sync();
}

}  // namespace ringdrop::server
