// The command line: arguments in, one decided Command out. It prints nothing and ends nothing; main
// does, with the text and the exit code found here. Every configuration key is an option of `serve`
// (max_upload_size: --max-upload-size), made from the table of server/config.h, and wins over the
// file.
#pragma once

#include <string>

#include "server/config.h"

namespace ringdrop::server {

// sysexits.h, by value: a service manager tells from them that a restart is useless.
inline constexpr int kExitUsage = 64;
inline constexpr int kExitConfig = 78;

struct Command {
  enum Kind { serve, check_config, version, help, error };

  Kind kind = error;
  Config config;      // of `serve` and `check_config`: defaults, then the file, then the options
  std::string text;   // to print, ends in a newline; on stderr when exit_code is not 0; of `serve` empty
  int exit_code = 0;  // of `serve` meaningless
};

// `argv` as main gets it. Wrong use, or no subcommand: kExitUsage. A configuration that cannot be
// read or contradicts itself: kExitConfig.
Command parse_command_line(int argc, const char* const* argv);

}  // namespace ringdrop::server
