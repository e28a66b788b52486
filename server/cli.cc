#include "server/cli.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "proto/http_request.h"
#include "proto/http_url.h"
#include "proto/units.h"

namespace ringdrop::server {
namespace {

constexpr std::string_view kVersionText = "ringdrop " RINGDROP_VERSION "\n";

// What a key's option was given; CLI11 writes into it, so it must not move while parsing.
struct KeyOption {
  std::string_view key;
  std::vector<std::string> values;
};

Command failed(std::string text, int exit_code) {
  Command command;
  command.text = std::move(text) + '\n';
  command.exit_code = exit_code;
  return command;
}

void add_config_file(CLI::App& app, std::string& config_file) {
  app.add_option("--config", config_file, "configuration file (TOML), see config.example.toml")->type_name("FILE");
}

// As it is typed in a shell: 64MiB, not "64MiB".
std::string default_hint(std::string text) {
  if (text.starts_with('[')) text = text.substr(1, text.size() - 2);
  std::erase(text, '"');
  return " (default " + text + ')';
}

std::vector<KeyOption> add_key_options(CLI::App& app) {
  std::vector<KeyOption> options;
  for (const ConfigKey& key : config_keys()) options.push_back({key.name, {}});
  for (const ConfigKey& key : config_keys()) {
    auto& values = std::ranges::find(options, key.name, &KeyOption::key)->values;
    std::string name = "--" + std::string(key.name);
    std::ranges::replace(name, '_', '-');
    app.add_option(name, values, std::string(key.help) + default_hint(key.default_text))
        ->type_name(std::string(key.value_name))
        ->expected(1)
        ->allow_extra_args(false)  // --listen A --listen B, never --listen A B
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
  return options;
}

// Defaults, then the file, then the options, then what must hold between them.
Command configured(Command::Kind kind, const std::string& config_file, const std::vector<KeyOption>& options) {
  Command command;
  if (!config_file.empty()) {
    auto loaded = load_config(config_file);
    if (!loaded) return failed(std::move(loaded.error().text), kExitConfig);
    command.config = std::move(*loaded);
  }
  for (const KeyOption& option : options) {
    if (option.values.empty()) continue;
    auto wrong = apply_option(command.config, option.key, option.values);
    if (wrong) return failed(std::move(wrong->text), kExitUsage);
  }
  auto impossible = check(command.config);
  if (impossible) return failed(std::move(impossible->text), kExitConfig);
  command.kind = kind;
  return command;
}

Command answered(Command::Kind kind, std::string text, int exit_code) {
  Command command;
  command.kind = kind;
  command.text = std::move(text);
  command.exit_code = exit_code;
  return command;
}

// `words` gets the files and the URL, in the order of the command line.
void add_upload_options(CLI::App& app, UploadArguments& arguments, std::vector<std::string>& words) {
  app.add_option("words", words, "files, then the server's http or https URL")
      ->type_name("FILE... URL")
      ->expected(1, -1);
  app.add_option("--cacert", arguments.ca_file, "trust the certificates in this file (PEM) instead of the system's")
      ->type_name("FILE");
  app.add_option("--expires", arguments.expires, "end of the links: 30s, 15m, 36h, 7d")->type_name("DURATION");
  app.add_option("--max-downloads", arguments.max_downloads, "each link ends after so many whole downloads")
      ->type_name("N");
  app.add_option("--token", arguments.token,
                 "the server's upload token; better in RINGDROP_TOKEN, which ps does not show")
      ->type_name("TOKEN");
  app.add_option("--protocol", arguments.protocol, "of the resumable upload (default auto: what the server offers)")
      ->type_name("auto|ietf|tus");
  app.add_flag("--quiet", arguments.quiet, "no progress and no word of retries; errors all the same");
}

void add_watch_options(CLI::App& app, WatchArguments& arguments) {
  app.add_option("url", arguments.url, "what Upload-Watch says, or {upload}/progress")->type_name("URL");
  app.add_option("--cacert", arguments.ca_file, "trust the certificates in this file (PEM) instead of the system's")
      ->type_name("FILE");
  app.add_flag("--quiet", arguments.quiet, "no progress and no word of retries; errors all the same");
}

Command upload_command(UploadArguments arguments, std::vector<std::string> words) {
  if (words.size() < 2) return failed("upload: give at least one file, then the server's URL", kExitUsage);
  arguments.url = std::move(words.back());
  words.pop_back();
  arguments.files = std::move(words);
  const auto url = proto::parse_http_url(arguments.url);
  if (!url) return failed("upload: " + arguments.url + " is no URL of a server: " + url.error(), kExitUsage);
  const std::string& downloads = arguments.max_downloads;
  const bool number = std::ranges::all_of(downloads, [](char c) { return c >= '0' && c <= '9'; });
  if (!number || (!downloads.empty() && downloads.find_first_not_of('0') == std::string::npos)) {
    return failed("--max-downloads: \"" + downloads + "\" is not a number above 0", kExitUsage);
  }
  if (!arguments.expires.empty() && !proto::parse_duration(arguments.expires)) {
    return failed("--expires: \"" + arguments.expires + "\" is not a duration like 30s, 15m, 36h or 7d", kExitUsage);
  }
  const std::string& protocol = arguments.protocol;
  if (protocol != "auto" && protocol != "ietf" && protocol != "tus") {
    return failed("--protocol: \"" + protocol + "\" is not one of auto, ietf, tus", kExitUsage);
  }
  // It becomes a field of a request, and must not end it. Not shown: it is a secret.
  if (!proto::is_field_value(arguments.token)) return failed("--token: it has a control character", kExitUsage);
  Command command;
  command.kind = Command::upload;
  command.upload_arguments = std::move(arguments);
  return command;
}

Command watch_command(WatchArguments arguments) {
  if (arguments.url.empty()) return failed("watch: give the URL of an upload's progress", kExitUsage);
  const auto url = proto::parse_http_url(arguments.url);
  if (!url) return failed("watch: " + arguments.url + " is no URL of an upload's progress: " + url.error(), kExitUsage);
  Command command;
  command.kind = Command::watch;
  command.watch_arguments = std::move(arguments);
  return command;
}

// The three that look after a data directory, and what they were told.
struct MaintenanceWords {
  CLI::App* fsck = nullptr;
  CLI::App* scrub = nullptr;
  CLI::App* backup = nullptr;
  std::string config_file;
  std::vector<KeyOption> data_dir{{"data_dir", {}}};
  std::string rate;
  std::string from;
  MaintenanceArguments arguments;
};

void add_maintenance_commands(CLI::App& app, MaintenanceWords& words) {
  words.fsck = app.add_subcommand("fsck", "compare the data directory with its catalogue; beside a server too");
  words.scrub = app.add_subcommand("scrub", "re-read all links and compare with their checksums; beside a server too");
  words.backup = app.add_subcommand("backup", "DIR: make a whole data directory of this moment; beside a server too");
  for (CLI::App* const one : {words.fsck, words.scrub, words.backup}) {
    add_config_file(*one, words.config_file);
    one->add_option("--data-dir", words.data_dir.front().values, "the data directory; wins over the file")
        ->type_name("DIR")
        ->expected(1)
        ->allow_extra_args(false);
  }
  words.fsck->add_flag("--repair", words.arguments.repair, "remove files that no row has; not beside a server");
  words.fsck->add_flag("--drop-broken", words.arguments.drop_broken,
                       "with --repair: end links and uploads whose file is gone or torn");
  for (CLI::App* const one : {words.scrub, words.backup}) {
    one->add_option("--rate", words.rate, "bytes a second at most, like 100MiB (default: as fast as it goes)")
        ->type_name("SIZE");
  }
  words.scrub->add_option("--from", words.from, "go on with the link of this number")->type_name("N");
  words.backup->add_option("DIR", words.arguments.target, "missing or empty; DIR.partial until all is there")
      ->required();
  words.backup->add_flag("--other-file-system", words.arguments.other_file_system,
                         "fail when DIR is on the file system of the data, as when its disk is not mounted");
}

std::optional<int64_t> link_number(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

Command maintenance_command(Command::Kind kind, MaintenanceWords words) {
  MaintenanceArguments& arguments = words.arguments;
  if (arguments.drop_broken && !arguments.repair) return failed("--drop-broken: give --repair too", kExitUsage);
  if (!words.rate.empty()) {
    const std::optional<uint64_t> rate = proto::parse_size(words.rate);
    if (!rate || *rate == 0) return failed("--rate: \"" + words.rate + "\" is not a size like 100MiB", kExitUsage);
    arguments.bytes_per_second = *rate;
  }
  if (!words.from.empty()) {
    const std::optional<int64_t> from = link_number(words.from);
    if (!from) return failed("--from: \"" + words.from + "\" is not a number of a link", kExitUsage);
    arguments.from_link = *from;
  }
  if (kind == Command::backup && arguments.target.empty()) return failed("backup: give a directory", kExitUsage);
  Command command = configured(kind, words.config_file, words.data_dir);
  command.maintenance_arguments = std::move(arguments);
  return command;
}

}  // namespace

Command parse_command_line(int argc, const char* const* argv, const char* token_from_environment) {
  CLI::App app("ringdrop: a file-hosting server. `curl -T file` gives a link.", "ringdrop");
  app.set_version_flag("--version", std::string(kVersionText.substr(0, kVersionText.size() - 1)));
  app.require_subcommand(0, 1);
  app.get_formatter()->column_width(36);

  std::string config_file;
  CLI::App* serve = app.add_subcommand("serve", "run the server; options win over the file");
  add_config_file(*serve, config_file);
  const std::vector<KeyOption> options = add_key_options(*serve);
  CLI::App* check_config = app.add_subcommand("check-config", "read the configuration, say ok or what is wrong");
  add_config_file(*check_config, config_file);
  UploadArguments upload_arguments;
  if (token_from_environment) upload_arguments.token = token_from_environment;
  std::vector<std::string> upload_words;
  CLI::App* upload =
      app.add_subcommand("upload", "FILE... URL: upload files, go on until they are there, print their links");
  add_upload_options(*upload, upload_arguments, upload_words);

  WatchArguments watch_arguments;
  CLI::App* watch = app.add_subcommand("watch", "URL: show how an upload goes, print its link when it is there");
  add_watch_options(*watch, watch_arguments);

  MaintenanceWords maintenance;
  add_maintenance_commands(app, maintenance);

  // CLI11 reports by throwing; here it ends.
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return answered(Command::help, app.help(), 0);
  } catch (const CLI::CallForVersion&) {
    return answered(Command::version, std::string(kVersionText), 0);
  } catch (const CLI::ParseError& error) {
    return failed(std::string(error.what()) + "\nringdrop --help tells what can be given.", kExitUsage);
  }

  if (serve->parsed()) return configured(Command::serve, config_file, options);
  if (upload->parsed()) return upload_command(std::move(upload_arguments), std::move(upload_words));
  if (watch->parsed()) return watch_command(std::move(watch_arguments));
  if (maintenance.fsck->parsed()) return maintenance_command(Command::fsck, std::move(maintenance));
  if (maintenance.scrub->parsed()) return maintenance_command(Command::scrub, std::move(maintenance));
  if (maintenance.backup->parsed()) return maintenance_command(Command::backup, std::move(maintenance));
  if (check_config->parsed()) {
    Command command = configured(Command::check_config, config_file, {});
    if (command.kind == Command::check_config) {
      command.text = (config_file.empty() ? "the defaults" : config_file) + ": ok\n";
    }
    return command;
  }
  return answered(Command::help, app.help(), kExitUsage);
}

}  // namespace ringdrop::server
