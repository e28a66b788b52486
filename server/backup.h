// `ringdrop backup DIR`: a data directory that a server could use, as this one is at the moment of the call: the
// catalogue first, then the files that it names, reflinked, hard-linked or copied. Beside a server, which needs not be
// told: a link that is deleted meanwhile is left out. Unfinished uploads are not part of it.
//
// A hard link is as good as a copy against deletion and no protection against rot. It is safe because nobody writes
// into the file of a link: an upload's last cut comes before its row.
#pragma once

#include <string>

namespace ringdrop::server {

struct BackupOptions {
  std::string data_dir;
  std::string target;  // missing or empty; until all is durable it is called `target`.partial
};

// The exit code: 0 all is there, 1 it was made without links whose files the original has lost, kExitInterrupted,
// kExitConfig nothing was made.
int run_backup(const BackupOptions& options);

}  // namespace ringdrop::server
