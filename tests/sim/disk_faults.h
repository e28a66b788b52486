// What an operation on the disk can fail with.
#pragma once

#include <cerrno>

namespace ringdrop::sim {

// open(2), write(2), fsync(2), fallocate(2), mkdir(2), unlink(2): those that do not tell of a mistake of the caller's.
inline constexpr int kDiskErrors[] = {EIO, ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM, EROFS};

}  // namespace ringdrop::sim
