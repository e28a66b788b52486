#include "server/cli.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

namespace ringdrop::server {
namespace {

constexpr std::string_view kVersionText = "ringdrop " RINGDROP_VERSION "\n";

// What a key's option was given; CLI11 writes into it, so it must not move while parsing.
struct KeyOption {
  std::string_view key;
  std::vector<std::string> values;
};

Command failed(std::string text, int exit_code) {
  return {.kind = Command::error, .config = {}, .text = std::move(text) + '\n', .exit_code = exit_code};
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

}  // namespace

Command parse_command_line(int argc, const char* const* argv) {
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

  // CLI11 reports by throwing; here it ends.
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return {.kind = Command::help, .config = {}, .text = app.help(), .exit_code = 0};
  } catch (const CLI::CallForVersion&) {
    return {.kind = Command::version, .config = {}, .text = std::string(kVersionText), .exit_code = 0};
  } catch (const CLI::ParseError& error) {
    return failed(std::string(error.what()) + "\nringdrop --help tells what can be given.", kExitUsage);
  }

  if (serve->parsed()) return configured(Command::serve, config_file, options);
  if (check_config->parsed()) {
    Command command = configured(Command::check_config, config_file, {});
    if (command.kind == Command::check_config) {
      command.text = (config_file.empty() ? "the defaults" : config_file) + ": ok\n";
    }
    return command;
  }
  return {.kind = Command::help, .config = {}, .text = app.help(), .exit_code = kExitUsage};
}

}  // namespace ringdrop::server
