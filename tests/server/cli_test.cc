#include "server/cli.h"

#include <doctest/doctest.h>

#include <unistd.h>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace ringdrop::server {
namespace {

using namespace std::chrono_literals;

Command run(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "ringdrop");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// A configuration file that goes away with its test.
class ConfigFile {
 public:
  explicit ConfigFile(std::string_view toml)
      : path_(std::filesystem::temp_directory_path() / ("ringdrop-cli-test-" + std::to_string(getpid()) + ".toml")) {
    std::ofstream(path_) << toml;
  }
  ConfigFile(const ConfigFile&) = delete;
  ConfigFile& operator=(const ConfigFile&) = delete;
  ~ConfigFile() { std::filesystem::remove(path_); }

  const char* path() const { return path_.c_str(); }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("serve without options serves the defaults") {
  const Command command = run({"serve"});
  CHECK(command.kind == Command::serve);
  CHECK(command.config == Config{});
  CHECK(command.text.empty());
}

TEST_CASE("options set their keys, with = or a space, several addresses in order") {
  const Command command =
      run({"serve", "--listen", "[::1]:8080", "--loops=2", "--listen=unix:/tmp/a,b.sock", "--data-dir", "/srv/a b",
           "--max-upload-size", "40GiB", "--head-timeout=5s", "--durability", "process"});
  REQUIRE_MESSAGE(command.kind == Command::serve, command.text);
  CHECK(command.config.listen == std::vector<std::string>{"[::1]:8080", "unix:/tmp/a,b.sock"});
  CHECK(command.config.loops == 2);
  CHECK(command.config.data_dir == "/srv/a b");
  CHECK(command.config.max_upload_bytes == 40 * kGiB);
  CHECK(command.config.head_timeout == 5s);
  CHECK(command.config.durability == Durability::process);
}

TEST_CASE("every key is an option of serve and stands in its help") {
  const Command help = run({"serve", "--help"});
  CHECK(help.kind == Command::help);
  CHECK(help.exit_code == 0);
  CHECK(contains(help.text, "(default 64MiB)"));
  CHECK(contains(help.text, "(default 127.0.0.1:8080)"));
  for (const ConfigKey& key : config_keys()) {
    std::string option = "--" + std::string(key.name);
    for (char& c : option) c = c == '_' ? '-' : c;
    CAPTURE(option);
    CHECK(contains(help.text, option + ' ' + std::string(key.value_name)));
    if (key.default_text == "\"\"") continue;  // nothing at all is a value of these
    const Command wrong = run({"serve", option.c_str(), ""});
    CHECK(wrong.kind == Command::error);
    CHECK(wrong.exit_code == kExitUsage);
    CHECK_MESSAGE(wrong.text.starts_with(option + ": \"\" is not "), wrong.text);
  }
}

TEST_CASE("an option wins over the file, the file over the default") {
  const ConfigFile file("loops = 2\nmax_connections = 5\nlisten = ['[::1]:1', '[::1]:2']\n");
  const Command command = run({"serve", "--config", file.path(), "--loops", "3", "--listen", "[::1]:3"});
  REQUIRE_MESSAGE(command.kind == Command::serve, command.text);
  CHECK(command.config.loops == 3);
  CHECK(command.config.max_connections == 5);
  CHECK(command.config.listen == std::vector<std::string>{"[::1]:3"});
  CHECK(command.config.memory_budget_bytes == Config{}.memory_budget_bytes);
}

TEST_CASE("file and options are checked together, after the merge") {
  const ConfigFile file("\nloops = 8\n");
  CHECK(run({"serve", "--config", file.path(), "--memory-budget", "128MiB"}).kind == Command::serve);
  const Command impossible = run({"serve", "--config", file.path()});
  CHECK(impossible.kind == Command::error);
  CHECK(impossible.exit_code == kExitConfig);
  CHECK(impossible.text == std::string(file.path()) +
                               ":2: loops: 8 loops need a memory_budget of at least 128MiB (16MiB "
                               "each), it is 64MiB\n");
  CHECK(run({"serve", "--loops", "8"}).exit_code == kExitConfig);
}

TEST_CASE("check-config says ok, or what is wrong with exit code 78") {
  const ConfigFile good("loops = 2\n");
  const Command ok = run({"check-config", "--config", good.path()});
  CHECK(ok.kind == Command::check_config);
  CHECK(ok.exit_code == 0);
  CHECK(ok.text == std::string(good.path()) + ": ok\n");
  CHECK(run({"check-config"}).text == "the defaults: ok\n");

  const ConfigFile bad("loops = 2\nlog_level = 'loud'\n");
  for (const char* subcommand : {"check-config", "serve"}) {
    const Command command = run({subcommand, "--config", bad.path()});
    CHECK(command.kind == Command::error);
    CHECK(command.exit_code == kExitConfig);
    CHECK(command.text == std::string(bad.path()) + ":2: log_level: \"loud\" is not one of debug, info, warn, error\n");
  }
  const Command missing = run({"check-config", "--config", "/nonexistent"});
  CHECK(missing.exit_code == kExitConfig);
  CHECK(missing.text == "/nonexistent: cannot be read: No such file or directory\n");
}

TEST_CASE("version and help are answered with exit code 0") {
  const Command version = run({"--version"});
  CHECK(version.kind == Command::version);
  CHECK(version.exit_code == 0);
  CHECK(version.text == "ringdrop " RINGDROP_VERSION "\n");
  for (const char* option : {"--help", "-h"}) {
    const Command help = run({option});
    CHECK(help.kind == Command::help);
    CHECK(help.exit_code == 0);
    CHECK(contains(help.text, "serve"));
    CHECK(contains(help.text, "check-config"));
    CHECK(help.text.ends_with('\n'));
  }
}

TEST_CASE("without a subcommand there is help, and exit code 64") {
  const Command command = run({});
  CHECK(command.kind == Command::help);
  CHECK(command.exit_code == kExitUsage);
  CHECK(contains(command.text, "check-config"));
}

TEST_CASE("wrong use is exit code 64 and one clear line") {
  const std::vector<std::vector<const char*>> rows{{"serv"},
                                                   {"serve", "--lisen", "[::1]:1"},
                                                   {"serve", "file"},
                                                   {"serve", "--loops"},
                                                   {"serve", "--loops", "many"},
                                                   {"serve", "--loops", "1", "--loops", "2"},
                                                   {"serve", "--loops", "-1"},
                                                   {"serve", "--listen", "[::1]:1", "[::1]:2"},
                                                   {"serve", "check-config"},
                                                   {"serve", "--config"},
                                                   {"--loops", "2"},
                                                   {"serve", "--loops="},
                                                   {"serve", "--config", "a", "--config", "b"},
                                                   {"check-config", "--loops", "2"}};
  for (const auto& row : rows) {
    std::string line;
    for (const char* argument : row) line += std::string(argument) + ' ';
    CAPTURE(line);
    const Command command = run(row);
    CAPTURE(command.text);
    CHECK(command.kind == Command::error);
    CHECK(command.exit_code == kExitUsage);
    CHECK(command.text.ends_with('\n'));
  }
}

TEST_CASE("upload takes files and, last, the server's URL") {
  const Command command = run({"upload", "--cacert", "ca.pem", "a", "--expires", "36h", "b c", "--max-downloads=3",
                               "--token", "secret", "--protocol", "tus", "--quiet", "https://h:8443/p/"});
  REQUIRE_MESSAGE(command.kind == Command::upload, command.text);
  const UploadArguments& given = command.upload_arguments;
  CHECK(given.files == std::vector<std::string>{"a", "b c"});
  CHECK(given.url == "https://h:8443/p/");
  CHECK(given.ca_file == "ca.pem");
  CHECK(given.expires == "36h");
  CHECK(given.max_downloads == "3");
  CHECK(given.token == "secret");
  CHECK(given.protocol == "tus");
  CHECK(given.quiet);
  CHECK(command.text.empty());
}

TEST_CASE("the upload token comes from the environment unless the command line has one") {
  const std::vector<const char*> plain{"ringdrop", "upload", "f", "http://h/"};
  CHECK(parse_command_line(4, plain.data(), "secret").upload_arguments.token == "secret");
  CHECK(parse_command_line(4, plain.data()).upload_arguments.token == "");
  const std::vector<const char*> given{"ringdrop", "upload", "--token", "mine", "f", "http://h/"};
  CHECK(parse_command_line(6, given.data(), "secret").upload_arguments.token == "mine");
  CHECK(parse_command_line(4, plain.data(), "a\r\nX: y").kind == Command::error);
}

TEST_CASE("a file may have any name, and options can be ended") {
  const Command command = run({"upload", "--", "--quiet", "http://h/"});
  REQUIRE_MESSAGE(command.kind == Command::upload, command.text);
  CHECK(command.upload_arguments.files == std::vector<std::string>{"--quiet"});
}

TEST_CASE("watch takes one URL") {
  const Command command = run({"watch", "--cacert", "ca.pem", "--quiet", "https://h/watch/x"});
  REQUIRE_MESSAGE(command.kind == Command::watch, command.text);
  WatchArguments expected;
  expected.url = "https://h/watch/x";
  expected.ca_file = "ca.pem";
  expected.quiet = true;
  CHECK(command.watch_arguments == expected);
  const std::vector<std::vector<const char*>> wrong{
      {"watch"}, {"watch", "h"}, {"watch", "ws://h/"}, {"watch", "http://h/", "http://h/"}, {"watch", "http://u:p@h/"}};
  for (const std::vector<const char*>& row : wrong) {
    const Command refused = run(row);
    CHECK(refused.kind == Command::error);
    CHECK(refused.exit_code == 64);
  }
}

TEST_CASE("wrong use of upload is exit code 64 and one clear line") {
  const std::vector<std::vector<const char*>> rows{{"upload"},
                                                   {"upload", "f"},
                                                   {"upload", "http://h/"},
                                                   {"upload", "f", "h"},
                                                   {"upload", "f", "ftp://h/"},
                                                   {"upload", "f", "http://u:p@h/"},
                                                   {"upload", "f", "http://h/?q"},
                                                   {"upload", "--protocol", "http", "f", "http://h/"},
                                                   {"upload", "--expires", "soon", "f", "http://h/"},
                                                   {"upload", "--max-downloads", "0", "f", "http://h/"},
                                                   {"upload", "--max-downloads", "-1", "f", "http://h/"},
                                                   {"upload", "--max-downloads", "1e3", "f", "http://h/"},
                                                   {"upload", "--loops", "2", "f", "http://h/"},
                                                   {"upload", "--quiet", "--quiet=x", "f", "http://h/"},
                                                   {"upload", "serve", "f"}};
  for (const auto& row : rows) {
    std::string line;
    for (const char* argument : row) line += std::string(argument) + ' ';
    CAPTURE(line);
    const Command command = run(row);
    CAPTURE(command.text);
    CHECK(command.kind == Command::error);
    CHECK(command.exit_code == kExitUsage);
    CHECK(command.text.ends_with('\n'));
  }
}

TEST_CASE("fsck, scrub and backup take the data directory of the option, else of the file, else of the defaults") {
  const ConfigFile file("data_dir = \"/srv/of-the-file\"\n");
  CHECK(run({"fsck"}).config.data_dir == Config{}.data_dir);
  CHECK(run({"fsck", "--config", file.path()}).config.data_dir == "/srv/of-the-file");
  CHECK(run({"scrub", "--config", file.path(), "--data-dir", "/srv/told"}).config.data_dir == "/srv/told");
  CHECK(run({"backup", "/copy", "--data-dir", "/srv/told"}).config.data_dir == "/srv/told");
  CHECK(run({"fsck", "--config", "/does/not/exist"}).exit_code == kExitConfig);
}

TEST_CASE("fsck changes nothing unless it is told to, and drops nothing unless it is told that too") {
  const Command plain = run({"fsck"});
  CHECK(plain.kind == Command::fsck);
  CHECK(plain.maintenance_arguments == MaintenanceArguments{});
  const Command repair = run({"fsck", "--repair"});
  CHECK(repair.maintenance_arguments.repair);
  CHECK_FALSE(repair.maintenance_arguments.drop_broken);
  CHECK(run({"fsck", "--repair", "--drop-broken"}).maintenance_arguments.drop_broken);
  CHECK(run({"fsck", "--drop-broken"}).exit_code == kExitUsage);
  CHECK(run({"fsck", "somewhere"}).exit_code == kExitUsage);
}

TEST_CASE("scrub takes a rate and a link to go on with") {
  const Command command = run({"scrub", "--rate", "100MiB", "--from", "17"});
  CHECK(command.kind == Command::scrub);
  CHECK(command.maintenance_arguments.bytes_per_second == 100 * kMiB);
  CHECK(command.maintenance_arguments.from_link == 17);
  CHECK(run({"scrub"}).maintenance_arguments == MaintenanceArguments{});
  for (const char* const wrong : {"fast", "0", "-1", "100MiB/s"}) {
    CAPTURE(wrong);
    CHECK(run({"scrub", "--rate", wrong}).exit_code == kExitUsage);
  }
  for (const char* const wrong : {"x", "1x", "-1", "99999999999999999999"}) {
    CAPTURE(wrong);
    CHECK(run({"scrub", "--from", wrong}).exit_code == kExitUsage);
  }
}

TEST_CASE("backup needs to be told where to") {
  CHECK(run({"backup", "/srv/copy"}).kind == Command::backup);
  CHECK(run({"backup", "/srv/copy"}).maintenance_arguments.target == "/srv/copy");
  CHECK_FALSE(run({"backup", "/srv/copy"}).maintenance_arguments.other_file_system);
  CHECK(run({"backup", "/srv/copy", "--other-file-system"}).maintenance_arguments.other_file_system);
  CHECK(run({"backup", "/srv/copy", "--rate", "10MiB"}).maintenance_arguments.bytes_per_second == 10 * kMiB);
  CHECK(run({"backup"}).exit_code == kExitUsage);
  CHECK(run({"backup", ""}).exit_code == kExitUsage);
  CHECK(run({"backup", "/one", "/two"}).exit_code == kExitUsage);
}

TEST_CASE("the help tells of fsck, scrub and backup, and each has its own") {
  const Command help = run({"--help"});
  for (const char* const name : {"fsck", "scrub", "backup"}) {
    CAPTURE(name);
    CHECK(contains(help.text, name));
    const Command own = run({name, "--help"});
    CHECK(own.exit_code == 0);
    CHECK(contains(own.text, "--data-dir DIR"));
    CHECK(contains(own.text, "--config FILE"));
  }
}

}  // namespace ringdrop::server
