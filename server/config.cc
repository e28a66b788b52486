#include "server/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <system_error>
#include <tuple>
#include <utility>
#include <variant>

#include <toml++/toml.h>

#include "io/address.h"
#include "io/address_range.h"
#include "proto/characters.h"
#include "proto/units.h"
#include "proto/uri.h"
#include "server/config_kinds.h"

namespace ringdrop::server {
namespace {

using namespace std::chrono_literals;

// Far above any real configuration; a device given by mistake is not read to its end.
constexpr std::size_t kMaxFileBytes = 1 * kMiB;

constexpr std::array<std::string_view, 2> kDurabilityNames{"full", "process"};
constexpr std::array<std::string_view, 3> kDigestNames{"never", "on-request", "always"};
constexpr std::array<std::string_view, 4> kLogLevelNames{"debug", "info", "warn", "error"};

// 1 EiB: above any file system, and a sum of two of them still fits an off_t.
constexpr uint64_t kMaxSizeBytes = uint64_t{1} << 60;

// TOML can spell a NUL, the C strings of inet_pton would end there.
bool is_listen_address(std::string_view text) {
  return text.find('\0') == text.npos && io::parse_address(text).has_value();
}

// scheme://host[:port], what follows it in `rest`.
bool is_origin(std::string_view text, std::string_view& rest) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!text.starts_with(scheme)) continue;
    text.remove_prefix(scheme.size());
    const std::size_t end = std::min(text.find('/'), text.size());
    rest = text.substr(end);
    return proto::is_valid_host(text.substr(0, end));
  }
  return false;
}

bool is_public_url(std::string_view text) {
  std::string_view prefix;
  if (text.empty()) return true;
  if (!is_origin(text, prefix)) return false;
  const auto plain = [](char c) { return proto::is_in(c, proto::kTargetChar) && c != '?' && c != '#' && c != '"'; };
  return !prefix.ends_with('/') && std::ranges::all_of(prefix, plain);
}

bool is_cors_origin(std::string_view text) {
  std::string_view rest;
  return text == "*" || (is_origin(text, rest) && rest.empty());
}

bool is_proxy(std::string_view text) {
  return text == "unix" || (text.find('\0') == text.npos && io::parse_address_range(text).has_value());
}

// Goes through an Authorization field, where a client can only write visible characters.
bool is_secret(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return proto::is_in(c, proto::kTargetChar); });
}

constexpr auto kLongestExpiry = 24h * 36'500;

struct Key {
  std::string_view name;
  std::string_view help;
  ConfigKind kind;
};

// The one list of keys: file, options, help, config.example.toml's test. Upper bounds keep
// arithmetic on the values far from overflow and catch a wrong unit.
const std::array kKeys{
    Key{"listen", "where to listen: ADDR:PORT, [V6]:PORT or unix:PATH; may be repeated",
        ListKind{&Config::listen, is_listen_address, "ADDR:PORT",
                 "an address (like \"127.0.0.1:8080\", \"[::1]:8080\" or \"unix:/run/ringdrop.sock\")"}},
    Key{"data_dir", "directory of the files and the catalogue", PathKind{&Config::data_dir}},
    Key{"loops", "event loops, each one thread; 0: one a core", CountKind{&Config::loops, 0, 1024}},
    Key{"memory_budget", "all transfer buffers together",
        SizeKind{&Config::memory_budget_bytes, kMinLoopMemoryBytes, 1024 * kGiB}},
    Key{"cache_size", "links and small files that are asked for often, in memory",
        SizeKind{&Config::cache_bytes, 0, 1024 * kGiB}},
    Key{"open_files", "files that stay open for a moment after a download, each loop's",
        CountKind{&Config::open_files, 0, 10'000}},
    Key{"small_file_size", "largest file that is kept in the catalogue, without a file of its own",
        SizeKind{&Config::small_file_bytes, 0, kMostSmallFileBytes}},
    Key{"max_upload_size", "largest file that is taken", SizeKind{&Config::max_upload_bytes, 1, kMaxSizeBytes}},
    Key{"min_free_space", "free disk space that uploads leave alone",
        SizeKind{&Config::min_free_bytes, 0, kMaxSizeBytes}},
    Key{"max_connections", "connections at a time", CountKind{&Config::max_connections, 1, 1'000'000}},
    Key{"head_timeout", "for a whole request head", DurationKind{&Config::head_timeout, 1ms, 1h}},
    Key{"idle_timeout", "for the next request on a connection", DurationKind{&Config::idle_timeout, 1ms, 24h}},
    Key{"stall_timeout", "how long a transfer may crawl", DurationKind{&Config::stall_timeout, 1ms, 24h}},
    Key{"min_transfer_rate", "bytes a second below which a transfer crawls; 0: only a standstill counts",
        SizeKind{&Config::min_transfer_bytes_per_second, 0, kGiB}},
    Key{"linger_timeout", "reading on after an early answer", DurationKind{&Config::linger_timeout, 0ms, 1min}},
    Key{"shutdown_grace", "for running transfers at SIGTERM", DurationKind{&Config::shutdown_grace, 0ms, 24h}},
    Key{"default_expiry", "until a link ends whose uploader does not say; 0s: never",
        DurationKind{&Config::default_expiry, 0ms, kLongestExpiry}},
    Key{"max_expiry", "longest life of a link; 0s: no bound", DurationKind{&Config::max_expiry, 0ms, kLongestExpiry}},
    Key{"upload_expires", "until an unfinished upload is removed that nobody goes on with",
        DurationKind{&Config::upload_expires, 1s, kLongestExpiry}},
    Key{"finished_upload_ttl", "how long an ended upload is remembered",
        DurationKind{&Config::finished_upload_ttl, 1s, kLongestExpiry}},
    Key{"supersede_timeout", "for a request to hand its upload over to a newer one",
        DurationKind{&Config::supersede_timeout, 1ms, 1min}},
    Key{"watch_wait", "how long a watcher waits for an upload to begin", DurationKind{&Config::watch_wait, 1ms, 24h}},
    Key{"progress_events_per_second", "messages to all watchers together",
        CountKind{&Config::progress_events_per_second, 1, 10'000'000}},
    Key{"digest", "which uploads get a SHA-256: never, on-request, always",
        choice<&Config::digest>(kDigestNames, "never|on-request|always")},
    Key{"public_url", "how the world reaches this server, with path prefix",
        TextKind{&Config::public_url, is_public_url, "URL",
                 "a URL without a slash at its end (like \"https://files.example/drop\")"}},
    Key{"trusted_proxies", "proxies whose Forwarded and X-Forwarded-* are believed; may be repeated",
        ListKind{&Config::trusted_proxies, is_proxy, "ADDR[/BITS]",
                 "an address, a network or \"unix\" (like \"127.0.0.1\" or \"10.0.0.0/8\")", true}},
    Key{"cors_origins", "origins whose scripts may use this server; may be repeated",
        ListKind{&Config::cors_origins, is_cors_origin, "ORIGIN", "an origin or \"*\" (like \"https://app.example\")",
                 true}},
    Key{"upload_token", "uploads need this secret (Authorization: Bearer, or Basic password)",
        TextKind{&Config::upload_token, is_secret, "SECRET", "a secret of visible ASCII characters"}},
    Key{"durability", "what an answered upload survives: full (power cut) or process",
        choice<&Config::durability>(kDurabilityNames, "full|process")},
    Key{"log_level", "least severity that is logged",
        choice<&Config::log_level>(kLogLevelNames, "debug|info|warn|error")},
};

const Key* find_key(std::string_view name) {
  const auto found = std::ranges::find(kKeys, name, &Key::name);
  return found == kKeys.end() ? nullptr : &*found;
}

std::optional<ConfigError> set_key(Config& config, const Key& key, const ConfigValue& value, std::string place) {
  const ConfigProblem problem = std::visit([&](const auto& kind) { return kind.set(config, value); }, key.kind);
  if (problem) return ConfigError{place + ": " + *problem};
  config.origins.insert_or_assign(std::string(key.name), std::move(place));
  return std::nullopt;
}

// Levenshtein's distance: how many characters to insert, delete or replace.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({replaced, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row.back();
}

std::string unknown_key(std::string_view name) {
  constexpr std::size_t kNearMiss = 3;  // more edits than that and the guess misleads
  std::string_view nearest;
  std::size_t best = std::min(kNearMiss, name.size() / 2) + 1;
  for (const Key& key : kKeys) {
    const std::size_t distance = edit_distance(name, key.name);
    if (distance < best) std::tie(best, nearest) = std::pair(distance, key.name);
  }
  return nearest.empty() ? "unknown key" : fmt::format("unknown key, did you mean {}?", nearest);
}

// ---- TOML

ConfigValue to_value(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* boolean = node.as_boolean()) return OtherValue{boolean->get() ? "true" : "false"};
  if (const auto* number = node.as_floating_point()) return OtherValue{fmt::format("{}", number->get())};
  if (node.is_table()) return OtherValue{"a table"};
  const auto* array = node.as_array();
  if (array == nullptr) return OtherValue{"a date or a time"};
  std::vector<std::string> items;
  for (const toml::node& item : *array) {
    const auto* text = item.as_string();
    if (text == nullptr) return OtherValue{shown(to_value(item))};  // toml++ bounds the nesting
    items.push_back(text->get());
  }
  return items;
}

std::string_view nth_line(std::string_view text, uint32_t number) {
  for (; number > 1 && text.find('\n') != text.npos; --number) text.remove_prefix(text.find('\n') + 1);
  return text.substr(0, text.find('\n'));
}

// TOML's own words for `max_upload_size = 40GiB` (expected digit, saw 'G') help nobody.
std::string_view quotes_hint(std::string_view line) {
  const std::size_t equals = line.find('=');
  if (equals == line.npos || line.find_first_of("\"'") != line.npos) return "";
  const bool has_letter =
      std::ranges::any_of(line.substr(equals), [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); });
  return has_letter ? " (texts, sizes and durations stand in quotes)" : "";
}

std::expected<Config, ConfigError> read_table(const toml::table& table, std::string_view source_name) {
  // toml++ sorts by name; of several errors the first in the file is the one to tell.
  std::vector<std::pair<uint32_t, std::string_view>> keys;
  for (const auto& [key, node] : table) keys.emplace_back(key.source().begin.line, key.str());
  std::ranges::sort(keys);

  Config config;
  for (const auto& [line, name] : keys) {
    std::string place = fmt::format("{}:{}: {}", source_name, line, escaped(name));
    const Key* key = find_key(name);
    if (key == nullptr) return std::unexpected(ConfigError{place + ": " + unknown_key(name)});
    std::optional<ConfigError> error = set_key(config, *key, to_value(*table.get(name)), std::move(place));
    if (error) return std::unexpected(std::move(*error));
  }
  return config;
}

}  // namespace

std::expected<Config, ConfigError> parse_config(std::string_view toml, std::string_view source_name) {
  static_assert(TOML_EXCEPTIONS, "without exceptions toml::parse returns a parse_result");
  toml::table table;
  try {
    table = toml::parse(toml);
  } catch (const toml::parse_error& error) {
    const uint32_t line_number = error.source().begin.line;
    const std::string_view line = nth_line(toml, line_number);
    const std::string in_line = line.empty() ? "" : escaped(line) + ": ";
    return std::unexpected(ConfigError{fmt::format("{}:{}: {}{}{}", source_name, line_number, in_line,
                                                   escaped(error.description()), quotes_hint(line))});
  }
  return read_table(table, source_name);
}

std::expected<Config, ConfigError> load_config(const std::filesystem::path& file) {
  const std::string name = file.string();
  std::string toml(kMaxFileBytes + 1, '\0');
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  if (stream) stream.read(toml.data(), static_cast<std::streamsize>(toml.size()));
  if (!stream && !stream.eof()) {
    const std::string reason = std::generic_category().message(errno);
    return std::unexpected(ConfigError{fmt::format("{}: cannot be read: {}", name, reason)});
  }
  toml.resize(static_cast<std::size_t>(stream.gcount()));
  if (toml.size() > kMaxFileBytes) return std::unexpected(ConfigError{name + ": is larger than 1 MiB"});
  return parse_config(toml, name);
}

std::optional<ConfigError> apply_option(Config& config, std::string_view key_name,
                                        const std::vector<std::string>& values) {
  std::string place = "--" + escaped(key_name);
  std::ranges::replace(place, '_', '-');
  const Key* key = find_key(key_name);
  if (key == nullptr) return ConfigError{place + ": " + unknown_key(key_name)};

  if (std::holds_alternative<ListKind>(key->kind)) return set_key(config, *key, values, std::move(place));
  if (values.size() != 1) return ConfigError{place + ": give it once"};

  // A shell knows only text, so a number is whatever reads as one; in a file "4" is text and 4 a
  // number.
  ConfigValue value = values.front();
  const std::string_view text = values.front();
  if (int64_t number = 0; std::holds_alternative<CountKind>(key->kind)) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size()) value = number;
  }
  return set_key(config, *key, value, std::move(place));
}

std::optional<ConfigError> check(const Config& config) {
  if (config.max_expiry.count() > 0 && config.default_expiry > config.max_expiry) {
    const auto origin = config.origins.find("default_expiry");
    return ConfigError{fmt::format("{}: it is longer than max_expiry",
                                   origin == config.origins.end() ? "default_expiry" : origin->second)};
  }
  const uint64_t needed_bytes = config.loops * kMinLoopMemoryBytes;
  if (config.memory_budget_bytes >= needed_bytes) return std::nullopt;
  const auto origin = config.origins.find("loops");
  return ConfigError{fmt::format("{}: {} loops need a memory_budget of at least {} ({} each), it is {}",
                                 origin == config.origins.end() ? "loops" : origin->second, config.loops,
                                 proto::format_size(needed_bytes), proto::format_size(kMinLoopMemoryBytes),
                                 proto::format_size(config.memory_budget_bytes))};
}

uint32_t loop_count(const Config& config, uint32_t cores) {
  if (config.loops != 0) return config.loops;
  const uint64_t affordable = config.memory_budget_bytes / kMinLoopMemoryBytes;
  return static_cast<uint32_t>(std::clamp<uint64_t>(cores, 1, std::max<uint64_t>(affordable, 1)));
}

std::vector<ConfigKey> config_keys() {
  const Config defaults;
  std::vector<ConfigKey> keys;
  for (const Key& key : kKeys) {
    std::visit([&](const auto& kind) { keys.push_back({key.name, kind.value_name, key.help, kind.text(defaults)}); },
               key.kind);
  }
  return keys;
}

}  // namespace ringdrop::server
