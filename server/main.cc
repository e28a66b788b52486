#include <cstdio>
#include <cstdlib>
#include <exception>

#include "server/cli.h"
#include "server/serve.h"

int main(int argc, char** argv) {
  using ringdrop::server::Command;
  try {
    const Command command = ringdrop::server::parse_command_line(argc, argv);
    std::fputs(command.text.c_str(), command.exit_code == 0 ? stdout : stderr);
    if (command.kind != Command::serve) return command.exit_code;
    const char* const notify_socket = std::getenv("NOTIFY_SOCKET");
    return ringdrop::server::run_server(command.config, notify_socket ? notify_socket : "");
  } catch (const std::exception& bug) {
    std::fprintf(stderr, "ringdrop: %s\n", bug.what());
    return EXIT_FAILURE;
  }
}
