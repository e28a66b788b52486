#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>

#include "client/saved_uploads.h"
#include "client/upload.h"
#include "client/watch.h"
#include "server/backup.h"
#include "server/cli.h"
#include "server/fsck.h"
#include "server/scrub.h"
#include "server/serve.h"

namespace ringdrop {
namespace {

client::ProtocolChoice protocol_choice(const std::string& name) {
  if (name == "ietf") return client::ProtocolChoice::ietf;
  return name == "tus" ? client::ProtocolChoice::tus : client::ProtocolChoice::automatic;
}

// The command line's words in the client's terms. The command line has found the URL valid.
client::UploadOptions upload_options(server::UploadArguments arguments) {
  client::UploadOptions options;
  options.files = std::move(arguments.files);
  options.server = proto::parse_http_url(arguments.url).value();
  options.ca_file = std::move(arguments.ca_file);
  options.wishes.expires = std::move(arguments.expires);
  options.wishes.max_downloads = std::move(arguments.max_downloads);
  options.token = std::move(arguments.token);
  options.protocol = protocol_choice(arguments.protocol);
  options.quiet = arguments.quiet;
  options.state_directory = client::SavedUploads::directory(std::getenv("XDG_STATE_HOME"), std::getenv("HOME"));
  return options;
}

client::WatchOptions watch_options(server::WatchArguments arguments) {
  client::WatchOptions options;
  options.url = proto::parse_http_url(arguments.url).value();
  options.ca_file = std::move(arguments.ca_file);
  options.quiet = arguments.quiet;
  return options;
}

int run_fsck(const server::Command& command) {
  server::FsckOptions options;
  options.data_dir = command.config.data_dir.string();
  options.repair = command.maintenance_arguments.repair;
  options.drop_broken = command.maintenance_arguments.drop_broken;
  return server::run_fsck(options);
}

int run_scrub(const server::Command& command) {
  server::ScrubOptions options;
  options.data_dir = command.config.data_dir.string();
  options.bytes_per_second = command.maintenance_arguments.bytes_per_second;
  options.from_link = command.maintenance_arguments.from_link;
  return server::run_scrub(options);
}

int run_backup(const server::Command& command) {
  server::BackupOptions options;
  options.data_dir = command.config.data_dir.string();
  options.target = command.maintenance_arguments.target;
  options.other_file_system = command.maintenance_arguments.other_file_system;
  options.bytes_per_second = command.maintenance_arguments.bytes_per_second;
  return server::run_backup(options);
}

int run(int argc, char** argv) {
  using server::Command;
  Command command = server::parse_command_line(argc, argv, std::getenv("RINGDROP_TOKEN"));
  std::fputs(command.text.c_str(), command.exit_code == 0 ? stdout : stderr);
  if (command.kind == Command::upload) return client::run_upload(upload_options(std::move(command.upload_arguments)));
  if (command.kind == Command::watch) return client::run_watch(watch_options(std::move(command.watch_arguments)));
  if (command.kind == Command::fsck) return run_fsck(command);
  if (command.kind == Command::scrub) return run_scrub(command);
  if (command.kind == Command::backup) return run_backup(command);
  if (command.kind != Command::serve) return command.exit_code;
  const char* const notify_socket = std::getenv("NOTIFY_SOCKET");
  return server::run_server(command.config, notify_socket ? notify_socket : "");
}

}  // namespace
}  // namespace ringdrop

int main(int argc, char** argv) {
  try {
    return ringdrop::run(argc, argv);
  } catch (const std::exception& bug) {
    std::fprintf(stderr, "ringdrop: %s\n", bug.what());
    return EXIT_FAILURE;
  }
}
