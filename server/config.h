// The configuration: every limit of the server by name and unit, its default, and how it is read
// from a TOML file and from command-line options. One table in config.cc knows the keys, so that
// file, options, help and checks cannot drift apart. Not here: what needs the machine (does the
// directory exist, is the port free, how many cores); only load_config touches the system, to read
// its one file at start, before any loop runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace ringdrop::server {

// What a 201 promises. `full`: the file survives a power cut. `process`: it survives the end of the
// process, no more.
enum class Durability { full, process };

// Which uploads get a digest. `on_request`: those that bring one or want one.
enum class DigestPolicy { never, on_request, always };

enum class LogLevel { debug, info, warn, error };

// A loop's buffer pool is not divided below this: room for a few large buffers and the small ones
// beside them.
inline constexpr uint64_t kMinLoopMemoryBytes = 16 * kMiB;

// No file above it is kept in the catalogue, whatever small_file_size says: one of its own is no dearer then.
inline constexpr uint64_t kMostSmallFileBytes = 64 * kKiB;

// Names end in their unit, except where the type is the unit (std::chrono) or the thing itself is
// counted.
struct Config {
  // ADDR:PORT, [V6]:PORT or unix:PATH; syntax checked, never empty.
  std::vector<std::string> listen{"127.0.0.1:8080"};
  std::filesystem::path data_dir{"./data"};
  uint32_t loops = 0;  // 0: one a core, see loop_count()
  uint64_t memory_budget_bytes = 64 * kMiB;
  uint64_t cache_bytes = 32 * kMiB;
  uint32_t open_files = 512;  // of each loop
  uint64_t small_file_bytes = 8 * kKiB;
  uint64_t max_upload_bytes = 1024 * kGiB;
  uint64_t min_free_bytes = 256 * kMiB;
  uint32_t max_connections = 10'000;

  std::chrono::milliseconds head_timeout{15'000};  // for the whole request head, from its first byte
  std::chrono::milliseconds idle_timeout{75'000};  // between two requests of a connection
  // A body or a download that moves less than stall_timeout * min_transfer_bytes_per_second within
  // a stall_timeout ends.
  std::chrono::milliseconds stall_timeout{60'000};
  uint64_t min_transfer_bytes_per_second = 32;
  std::chrono::milliseconds linger_timeout{2'000};  // reading on after an early answer, so that the client sees it
  std::chrono::milliseconds shutdown_grace{30'000};

  std::chrono::milliseconds default_expiry{0};  // of a link whose uploader wants none; 0: it does not expire
  std::chrono::milliseconds max_expiry{0};      // longer wishes are cut to it; 0: no bound
  std::chrono::milliseconds upload_expires{7 * 86'400'000};   // an unfinished upload that nobody goes on with
  std::chrono::milliseconds finished_upload_ttl{86'400'000};  // how long an ended upload is remembered
  std::chrono::milliseconds supersede_timeout{5'000};         // for a request to give its upload to a newer one
  std::chrono::milliseconds watch_wait{60'000};               // for an upload that nobody has announced yet to begin
  uint32_t progress_events_per_second = 15'000;               // to all watchers together
  DigestPolicy digest = DigestPolicy::on_request;

  // "https://files.example/drop" without a slash at the end; empty: what the request says.
  std::string public_url;
  std::vector<std::string> trusted_proxies;  // "10.0.0.1", "10.0.0.0/8", "fd00::/8", "unix"; syntax checked
  std::vector<std::string> cors_origins;     // "https://app.example", or "*"
  std::string upload_token;                  // empty: everybody may upload

  Durability durability = Durability::full;
  LogLevel log_level = LogLevel::info;

  // Key -> where it was set ("config.toml:12: loops", "--loops"), for messages about keys that
  // contradict each other. Keys left at their default are absent.
  std::map<std::string, std::string, std::less<>> origins;

  bool operator==(const Config&) const = default;
};

// One line for a person, without a newline: `config.toml:12: max_upload_size: "40 apples" is not a
// size (like "64MiB")`; of an option `--max-upload-size: "40 apples" is not ...`.
struct ConfigError {
  std::string text;
};

// The file's keys over the defaults. Errors: unreadable or over 1 MiB, broken TOML, a duplicate or
// unknown key, a wrong type, a value out of bounds; of several the first in the file. Keys are
// checked one by one; call check() when all sources are in.
std::expected<Config, ConfigError> load_config(const std::filesystem::path& file);
std::expected<Config, ConfigError> parse_config(std::string_view toml, std::string_view source_name);

// Sets one key from the values of its command-line option, as often as it was given; they replace
// what was there. `key` is spelt as in the file. On an error the config is unchanged.
std::optional<ConfigError> apply_option(Config& config, std::string_view key, const std::vector<std::string>& values);

// What is impossible only together: too little memory_budget for so many loops.
std::optional<ConfigError> check(const Config& config);

// How many loops to run on a machine of `cores`: `loops` itself, or for 0 one a core, as far as
// each still has kMinLoopMemoryBytes; at least 1.
uint32_t loop_count(const Config& config, uint32_t cores);

// The table as others may see it, in the order of config.example.toml.
struct ConfigKey {
  std::string_view name;        // "max_upload_size"
  std::string_view value_name;  // "SIZE", for help
  std::string_view help;
  std::string default_text;  // as it is written in TOML: "1TiB" with its quotes, or a bare number
};
std::vector<ConfigKey> config_keys();

}  // namespace ringdrop::server
