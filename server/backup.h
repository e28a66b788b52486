// `ringdrop backup DIR`: a data directory that a server could use, as this one is at the moment of the call: the
// catalogue first, then the files that it names, reflinked, hard-linked or copied. Beside a server, which needs not be
// told: a link that is deleted meanwhile is left out. Unfinished uploads are not part of it.
//
// A link whose file is missing, torn or unreadable is left out with a word: a server on the backup knows nothing of it,
// rather than to answer for it and fail.
//
// A hard link is as good as a copy against deletion and no protection against rot. It is safe because nobody writes
// into the file of a link: an upload's last cut comes before its row.
#pragma once

#include <cstdint>
#include <string>

namespace ringdrop::server {

struct BackupOptions {
  std::string data_dir;
  std::string target;  // missing or empty, no mount point; until all is durable it is called `target`.partial
  bool other_file_system = false;  // rather none than one on the file system of the data
  uint64_t bytes_per_second = 0;   // of what is copied; 0: as fast as it goes
};

// The exit code: 0 all is there, 1 it was made without links whose files the original has lost, kExitInterrupted,
// kExitConfig it could not be made: the next run clears away what there is of it.
int run_backup(const BackupOptions& options);

}  // namespace ringdrop::server
