// The command line: arguments in, one decided Command out. It prints nothing and ends nothing; main
// does, with the text and the exit code found here. Every configuration key is an option of `serve`
// (max_upload_size: --max-upload-size), made from the table of server/config.h, and wins over the
// file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/config.h"

namespace ringdrop::server {

// sysexits.h, by value: a service manager tells from them that a restart is useless.
inline constexpr int kExitUsage = 64;
inline constexpr int kExitConfig = 78;

// Of `upload`: checked as far as words go. Plain, since main alone knows both the server and the client.
struct UploadArguments {
  std::vector<std::string> files;
  std::string url;  // http or https
  std::string ca_file;
  std::string expires;
  std::string max_downloads;
  std::string token;
  std::string protocol = "auto";  // or "ietf", "tus"
  bool quiet = false;

  bool operator==(const UploadArguments&) const = default;
};

// Of `watch`: likewise.
struct WatchArguments {
  std::string url;  // http or https
  std::string ca_file;
  bool quiet = false;

  bool operator==(const WatchArguments&) const = default;
};

// Of `fsck`, `scrub` and `backup`; the data directory is config.data_dir.
struct MaintenanceArguments {
  bool repair = false;
  bool drop_broken = false;
  uint64_t bytes_per_second = 0;  // 0: as fast as it goes
  int64_t from_link = 0;
  std::string target;
  bool other_file_system = false;

  bool operator==(const MaintenanceArguments&) const = default;
};

struct Command {
  enum Kind { serve, check_config, upload, watch, fsck, scrub, backup, version, help, error };

  Kind kind = error;
  Config config;  // of `serve`, `check_config`, `fsck`, `scrub`, `backup`: defaults, then the file, then the options
  UploadArguments upload_arguments;
  WatchArguments watch_arguments;
  MaintenanceArguments maintenance_arguments;
  std::string text;   // to print, ends in a newline; on stderr when exit_code is not 0; of what runs empty
  int exit_code = 0;  // of what runs meaningless
};

// `argv` as main gets it, and the upload token of the environment (nullptr: none). Wrong use, or no subcommand:
// kExitUsage. A configuration that cannot be read or contradicts itself: kExitConfig.
Command parse_command_line(int argc, const char* const* argv, const char* token_from_environment = nullptr);

}  // namespace ringdrop::server
