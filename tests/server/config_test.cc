#include "server/config.h"

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringdrop::server {
namespace {

using namespace std::chrono_literals;

Config parsed(std::string_view toml) {
  auto config = parse_config(toml, "config.toml");
  REQUIRE_MESSAGE(config.has_value(), config.error().text);
  config->origins.clear();
  return *config;
}

std::string error_of(std::string_view toml) {
  const auto config = parse_config(toml, "config.toml");
  return config ? "no error" : config.error().text;
}

std::string option_error(std::string_view key, const std::vector<std::string>& values) {
  Config config;
  const auto error = apply_option(config, key, values);
  CHECK_MESSAGE((error.has_value() || config != Config{}), "an accepted option is set");
  if (error) CHECK(config == Config{});
  return error ? error->text : "no error";
}

// config.example.toml in pieces: what stands behind '#' without a space is a setting, the rest is
// for people.
std::vector<std::string> example_settings() {
  std::ifstream file(std::filesystem::path(RINGDROP_SOURCE_DIR) / "config.example.toml");
  REQUIRE(file.is_open());
  std::vector<std::string> settings;
  for (std::string line; std::getline(file, line);) {
    if (line.size() > 1 && line[0] == '#' && line[1] >= 'a' && line[1] <= 'z') {
      settings.push_back(line.substr(1));
    } else {
      CHECK_MESSAGE((line.empty() || line == "#" || line.starts_with("# ")), line);
    }
  }
  return settings;
}

}  // namespace

TEST_CASE("an empty file gives the defaults") {
  CHECK(parsed("") == Config{});
}

TEST_CASE("every key of a file reaches its member") {
  const Config config = parsed(R"(
listen = ["0.0.0.0:80", "[::1]:0", "unix:/run/ringdrop.sock"]
data_dir = "/srv/dröps"
loops = 3
memory_budget = "1GiB"
max_upload_size = "40GB"
min_free_space = 4096
max_connections = 7
head_timeout = "250ms"
idle_timeout = "2m"
stall_timeout = "1h"
min_transfer_rate = "1KiB"
linger_timeout = "0s"
shutdown_grace = "24h"
default_expiry = "1d"
max_expiry = "30d"
upload_expires = "2d"
finished_upload_ttl = "1h"
supersede_timeout = "1s"
watch_wait = "2s"
progress_events_per_second = 100
digest = "always"
public_url = "https://files.example/drop"
trusted_proxies = ["127.0.0.1", "fd00::/8", "unix"]
cors_origins = ["https://app.example", "http://[::1]:3000"]
upload_token = "s3cret:/+="
durability = "process"
log_level = "debug"
)");
  Config expected;
  expected.listen = {"0.0.0.0:80", "[::1]:0", "unix:/run/ringdrop.sock"};
  expected.data_dir = "/srv/dröps";
  expected.loops = 3;
  expected.memory_budget_bytes = kGiB;
  expected.max_upload_bytes = 40'000'000'000;
  expected.min_free_bytes = 4096;
  expected.max_connections = 7;
  expected.head_timeout = 250ms;
  expected.idle_timeout = 2min;
  expected.stall_timeout = 1h;
  expected.min_transfer_bytes_per_second = 1024;
  expected.linger_timeout = 0s;
  expected.shutdown_grace = 24h;
  expected.default_expiry = 24h;
  expected.max_expiry = 24h * 30;
  expected.upload_expires = 48h;
  expected.finished_upload_ttl = 1h;
  expected.supersede_timeout = 1s;
  expected.watch_wait = 2s;
  expected.progress_events_per_second = 100;
  expected.digest = DigestPolicy::always;
  expected.public_url = "https://files.example/drop";
  expected.trusted_proxies = {"127.0.0.1", "fd00::/8", "unix"};
  expected.cors_origins = {"https://app.example", "http://[::1]:3000"};
  expected.upload_token = "s3cret:/+=";
  expected.durability = Durability::process;
  expected.log_level = LogLevel::debug;
  CHECK(config == expected);
  CHECK(expected != Config{});
}

TEST_CASE("one address may stand without a list") {
  CHECK(parsed("listen = '[::]:8080'").listen == std::vector<std::string>{"[::]:8080"});
}

TEST_CASE("the example names every key of the table, in its order, at its default") {
  const std::vector<std::string> settings = example_settings();
  std::vector<std::string> expected;
  for (const ConfigKey& key : config_keys()) {
    expected.push_back(std::string(key.name) + " = " + key.default_text);
  }
  CHECK(settings == expected);
}

TEST_CASE("the example, uncommented, is exactly the defaults") {
  std::string toml;
  for (const std::string& setting : example_settings()) toml += setting + '\n';
  CHECK(parsed(toml) == Config{});
}

TEST_CASE("the table offers help and a value name for every key") {
  for (const ConfigKey& key : config_keys()) {
    CAPTURE(key.name);
    CHECK(!key.help.empty());
    CHECK(!key.value_name.empty());
    CHECK(!key.default_text.empty());
  }
}

TEST_CASE("what is no URL, proxy, origin or secret is refused") {
  for (const std::string line :
       {"public_url = 'files.example'", "public_url = 'https://files.example/'", "public_url = 'https://a b/'",
        "public_url = 'ftp://files.example'", "public_url = 'https://files.example/a?b'",
        "public_url = 'https://u:p@files.example'", "public_url = 7", "trusted_proxies = ['proxy.example']",
        "trusted_proxies = ['10.1.0.0/8']", "cors_origins = ['https://app.example/']", "cors_origins = ['app.example']",
        "cors_origins = ['null']", "upload_token = 'two words'", "upload_token = 'ü'", "default_expiry = '-1d'",
        "max_expiry = '40000d'", "digest = 'sometimes'"}) {
    CAPTURE(line);
    CHECK(error_of(line).starts_with("config.toml:1: "));
  }
  CHECK(parsed("public_url = ''\ntrusted_proxies = []\ncors_origins = '*'\nupload_token = ''").cors_origins ==
        std::vector<std::string>{"*"});
}

TEST_CASE("a default expiry above the longest one is refused") {
  Config config = parsed("default_expiry = '8d'\nmax_expiry = '7d'");
  const auto error = check(config);
  REQUIRE(error);
  CHECK(error->text.find("max_expiry") != std::string::npos);
  config.max_expiry = 0ms;
  CHECK_FALSE(check(config));
}

TEST_CASE("a bad value is refused with file, line, key and what would be right") {
  const std::string not_an_address =
      R"( is not an address (like "127.0.0.1:8080", "[::1]:8080" or "unix:/run/ringdrop.sock"))";
  const std::vector<std::pair<std::string, std::string>> rows{
      {"\n\nmax_upload_size = '40 apples'",
       R"(config.toml:3: max_upload_size: "40 apples" is not a size (like "64MiB"))"},
      {"max_upload_size = -1", R"(config.toml:1: max_upload_size: -1 is not a size (like "64MiB"))"},
      {"max_upload_size = 1.5", R"(config.toml:1: max_upload_size: 1.5 is not a size (like "64MiB"))"},
      {"max_upload_size = 0", "config.toml:1: max_upload_size: 0 is too small: at least 1B"},
      {"max_upload_size = '2097152TiB'",
       R"(config.toml:1: max_upload_size: "2097152TiB" is too large: at most 1048576TiB)"},
      {"memory_budget = '8MiB'", R"(config.toml:1: memory_budget: "8MiB" is too small: at least 16MiB)"},
      {"loops = '4'", R"(config.toml:1: loops: "4" is not a whole number (like 4))"},
      {"loops = 1.0", R"(config.toml:1: loops: 1 is not a whole number (like 4))"},
      {"loops = true", R"(config.toml:1: loops: true is not a whole number (like 4))"},
      {"loops = -1", "config.toml:1: loops: -1 is too small: at least 0"},
      {"loops = 4294967296", "config.toml:1: loops: 4294967296 is too large: at most 1024"},
      {"max_connections = 0", "config.toml:1: max_connections: 0 is too small: at least 1"},
      {"head_timeout = 15", R"(config.toml:1: head_timeout: 15 is not a duration (like "30s"))"},
      {"head_timeout = '0s'", R"(config.toml:1: head_timeout: "0s" is too small: at least 1ms)"},
      {"head_timeout = '2h'", R"(config.toml:1: head_timeout: "2h" is too large: at most 3600s)"},
      {"idle_timeout = 07:32:00", R"(config.toml:1: idle_timeout: a date or a time is not a duration (like "30s"))"},
      {"durability = 'fully'", R"(config.toml:1: durability: "fully" is not one of full, process)"},
      {"log_level = 1", "config.toml:1: log_level: 1 is not one of debug, info, warn, error"},
      {"data_dir = ''", R"(config.toml:1: data_dir: "" is not a path (like "./data"))"},
      {"data_dir = \"a\\u0000b\"", R"(config.toml:1: data_dir: "a\x00b" is not a path (like "./data"))"},
      {"data_dir = ['a']", R"(config.toml:1: data_dir: a list is not a path (like "./data"))"},
      {"listen = 8080", "config.toml:1: listen: 8080" + not_an_address},
      {"listen = ['[::1]:80', 8080]", "config.toml:1: listen: 8080" + not_an_address},
      {"listen = [['[::1]:80']]", "config.toml:1: listen: a list" + not_an_address},
      {"listen = []", "config.toml:1: listen: the list is empty: it needs at least one"},
      {"listen = [\n'[::1]:80',\n'localhost:80']", "config.toml:1: listen: \"localhost:80\"" + not_an_address},
      {"log_level = \"\\u001b[2J\\n\"",
       R"(config.toml:1: log_level: "\x1b[2J\x0a" is not one of debug, info, warn, error)"},
  };
  for (const auto& [toml, error] : rows) {
    CAPTURE(toml);
    CHECK(error_of(toml) == error);
  }
}

TEST_CASE("an unknown key is refused, a near miss with the right name") {
  CHECK(error_of("\nmax_uplod_size = 1") ==
        "config.toml:2: max_uplod_size: unknown key, did you mean max_upload_size?");
  CHECK(error_of("max-upload-size = 1") ==
        "config.toml:1: max-upload-size: unknown key, did you mean max_upload_size?");
  CHECK(error_of("loop = 1") == "config.toml:1: loop: unknown key, did you mean loops?");
  CHECK(error_of("colour = 'red'") == "config.toml:1: colour: unknown key");
  CHECK(error_of("[server]\nloops = 1") == "config.toml:1: server: unknown key");
  CHECK(error_of("loops.max = 1") == "config.toml:1: loops: a table is not a whole number (like 4)");
  CHECK(error_of("\"\" = 1") == "config.toml:1: : unknown key");
}

TEST_CASE("of several errors the first in the file is told") {
  CHECK(error_of("loops = 1\nzebra = 1\nant = 1\ndata_dir = 1") == "config.toml:2: zebra: unknown key");
}

TEST_CASE("broken TOML and a duplicate key are told with their line") {
  CHECK(error_of("loops = 1\nloops = 2\n").starts_with("config.toml:2: loops = 2: "));
  const std::string unquoted = error_of("\nmax_upload_size = 40GiB\n");
  CHECK(unquoted.starts_with("config.toml:2: max_upload_size = 40GiB: "));
  CHECK(unquoted.ends_with("(texts, sizes and durations stand in quotes)"));
  for (const std::string_view toml : {"\nloops =\n", "\nloops = 1 2", "\n= 1", "\nlisten = [", "\nlog_level = 'info",
                                      "\n[x", "\nloops = 01", "\ndata_dir = \"\\q\"", "\nlog_level = \"\xff\""}) {
    CAPTURE(toml);
    const std::string error = error_of(toml);
    CHECK((error.starts_with("config.toml:2: ") || error.starts_with("config.toml:3: ")));
    CHECK(error.find('\n') == std::string::npos);
  }
}

TEST_CASE("nesting without end is an error, not the end of the stack") {
  const std::string error = error_of("listen = " + std::string(100'000, '['));
  CHECK(error.starts_with("config.toml:1: "));
}

TEST_CASE("the syntax of an address is checked to its last character") {
  for (const std::string_view good :
       {"127.0.0.1:8080", "0.0.0.0:0", "255.255.255.255:65535", "[::]:80", "[::1]:0", "[2001:db8::1]:8080",
        "[::ffff:1.2.3.4]:1", "unix:/run/x.sock", "unix:relative"}) {
    CAPTURE(good);
    CHECK(option_error("listen", {std::string(good), "127.0.0.1:1"}) == "no error");
  }
  const std::vector<std::string> bad{"",
                                     ":",
                                     "8080",
                                     ":8080",
                                     "localhost:80",
                                     "127.0.0.1",
                                     "127.0.0.1:",
                                     "127.0.0.1:65536",
                                     "127.0.0.1:-1",
                                     "127.0.0.1:+1",
                                     "127.0.0.1: 80",
                                     "127.0.0.1:80 ",
                                     "127.0.0.1:80x",
                                     "127.0.0.1:0x50",
                                     "127.1:80",
                                     "256.0.0.1:80",
                                     " 127.0.0.1:80",
                                     "::1:80",
                                     "[::1]",
                                     "[::1]80",
                                     "[::1:80",
                                     "[127.0.0.1]:80",
                                     "[]:80",
                                     "[::1%lo]:80",
                                     "[[::1]]:80",
                                     "unix:",
                                     "unix",
                                     std::string("unix:a\0b", 8),
                                     std::string("127.0.0.1\0:80", 13)};
  for (const std::string& text : bad) {
    CAPTURE(text);
    CHECK(option_error("listen", {text}).find("is not an address") != std::string::npos);
  }
  CHECK(option_error("listen", {"unix:" + std::string(107, 'p')}) == "no error");
  CHECK(option_error("listen", {"unix:" + std::string(108, 'p')}) != "no error");
}

TEST_CASE("an option goes through the same table and checks as the file") {
  Config config;
  CHECK(!apply_option(config, "loops", {"4"}));
  CHECK(!apply_option(config, "max_upload_size", {"512"}));
  CHECK(!apply_option(config, "stall_timeout", {"2m"}));
  CHECK(!apply_option(config, "listen", {"127.0.0.1:1", "127.0.0.1:2"}));
  CHECK(config.loops == 4);
  CHECK(config.max_upload_bytes == 512);
  CHECK(config.stall_timeout == 2min);
  CHECK(config.listen == std::vector<std::string>{"127.0.0.1:1", "127.0.0.1:2"});

  CHECK(option_error("max_upload_size", {"40 apples"}) ==
        R"(--max-upload-size: "40 apples" is not a size (like "64MiB"))");
  CHECK(option_error("loops", {"4x"}) == R"(--loops: "4x" is not a whole number (like 4))");
  CHECK(option_error("loops", {""}) == R"(--loops: "" is not a whole number (like 4))");
  CHECK(option_error("loops", {"99999999999999999999"}) ==
        R"(--loops: "99999999999999999999" is not a whole number (like 4))");
  CHECK(option_error("loops", {"1025"}) == "--loops: 1025 is too large: at most 1024");
  CHECK(option_error("loops", {"1", "2"}) == "--loops: give it once");
  CHECK(option_error("listen", {}) == "--listen: the list is empty: it needs at least one");
  CHECK(option_error("lops", {"1"}) == "--lops: unknown key, did you mean loops?");
}

TEST_CASE("loops without 16 MiB of memory_budget each are impossible together") {
  auto config = parse_config("log_level = 'warn'\nloops = 5", "config.toml");
  REQUIRE(config);
  const auto error = check(*config);
  REQUIRE(error);
  CHECK(error->text ==
        "config.toml:2: loops: 5 loops need a memory_budget of at least 80MiB (16MiB each), it is "
        "64MiB");

  CHECK(!apply_option(*config, "memory_budget", {"80MiB"}));
  CHECK(!check(*config));
  CHECK(!apply_option(*config, "loops", {"6"}));
  REQUIRE(check(*config));
  CHECK(check(*config)->text.starts_with("--loops: 6 loops need"));
  CHECK(!check(Config{}));
}

TEST_CASE("0 loops means one a core, as far as each still has 16 MiB") {
  Config config;
  CHECK(loop_count(config, 0) == 1);
  CHECK(loop_count(config, 1) == 1);
  CHECK(loop_count(config, 4) == 4);
  CHECK(loop_count(config, 64) == 4);
  config.memory_budget_bytes = 16 * kMiB;
  CHECK(loop_count(config, 64) == 1);
  config.memory_budget_bytes = kGiB;
  CHECK(loop_count(config, 64) == 64);
  config.loops = 7;
  CHECK(loop_count(config, 64) == 7);
}

TEST_CASE("a file that cannot be read is an error that names it and the reason") {
  const auto missing = load_config("/nonexistent/config.toml");
  REQUIRE(!missing);
  CHECK(missing.error().text == "/nonexistent/config.toml: cannot be read: No such file or directory");
  const auto directory = load_config("/");
  REQUIRE(!directory);
  CHECK(directory.error().text == "/: cannot be read: Is a directory");
  const auto endless = load_config("/dev/zero");
  REQUIRE(!endless);
  CHECK(endless.error().text == "/dev/zero: is larger than 1 MiB");
  CHECK(load_config("/dev/null").value() == Config{});
}

}  // namespace ringdrop::server
