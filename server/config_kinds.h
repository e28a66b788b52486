// The kinds of value that configuration keys have: each knows how a value from a file or an option
// becomes a member of Config, within its bounds, and how that member is written. Private to
// config.cc, whose table says which key is of which kind; a new kind is a struct with `value_name`,
// `set` and `text`. No TOML here and no key names.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "server/config.h"

namespace ringdrop::server {

struct OtherValue {  // of a type that no key takes: a boolean, a date, a table
  std::string shown;
};

// A value before its key says what it must be. From a command line everything but a count is text.
using ConfigValue = std::variant<std::string, int64_t, std::vector<std::string>, OtherValue>;

// What is wrong with a value, as the rest of a sentence that began with its key; nullopt: it was
// set. `set` leaves the Config alone when there is a problem.
using ConfigProblem = std::optional<std::string>;

struct ListKind {  // one text, or a list
  std::vector<std::string> Config::* member;
  bool (*is_valid)(std::string_view item);
  std::string_view value_name;
  std::string_view wanted;
  bool may_be_empty = false;

  ConfigProblem set(Config& config, const ConfigValue& value) const;
  std::string text(const Config& config) const;
};

struct TextKind {
  std::string Config::* member;
  bool (*is_valid)(std::string_view text);
  std::string_view value_name;
  std::string_view wanted;

  ConfigProblem set(Config& config, const ConfigValue& value) const;
  std::string text(const Config& config) const;
};

struct PathKind {
  std::filesystem::path Config::* member;
  static constexpr std::string_view value_name = "DIR";

  ConfigProblem set(Config& config, const ConfigValue& value) const;
  std::string text(const Config& config) const;
};

struct CountKind {
  uint32_t Config::* member;
  uint32_t min;
  uint32_t max;
  static constexpr std::string_view value_name = "N";

  ConfigProblem set(Config& config, const ConfigValue& value) const;
  std::string text(const Config& config) const;
};

struct SizeKind {  // "64MiB", or a bare number of bytes
  uint64_t Config::* member;
  uint64_t min_bytes;
  uint64_t max_bytes;
  static constexpr std::string_view value_name = "SIZE";

  ConfigProblem set(Config& config, const ConfigValue& value) const;
  std::string text(const Config& config) const;
};

struct DurationKind {
  std::chrono::milliseconds Config::* member;
  std::chrono::milliseconds min;
  std::chrono::milliseconds max;
  static constexpr std::string_view value_name = "DURATION";

  ConfigProblem set(Config& config, const ConfigValue& value) const;
  std::string text(const Config& config) const;
};

struct ChoiceKind {  // an enum whose enumerators count from 0 in the order of `names`; made by
                     // choice()
  std::span<const std::string_view> names;
  void (*assign)(Config&, std::size_t index);
  std::size_t (*index)(const Config&);
  std::string_view value_name;

  ConfigProblem set(Config& config, const ConfigValue& value) const;
  std::string text(const Config& config) const;
};

template <auto Member>
constexpr ChoiceKind choice(std::span<const std::string_view> names, std::string_view value_name) {
  using Enum = std::remove_reference_t<decltype(std::declval<Config&>().*Member)>;
  return {names, [](Config& config, std::size_t i) { config.*Member = static_cast<Enum>(i); },
          [](const Config& config) { return static_cast<std::size_t>(config.*Member); }, value_name};
}

using ConfigKind = std::variant<ListKind, TextKind, PathKind, CountKind, SizeKind, DurationKind, ChoiceKind>;

// A value, or any text of unknown origin, on one line of a terminal or a log: controls as \x1b, cut
// after 100 bytes.
std::string shown(const ConfigValue& value);
std::string escaped(std::string_view text);

}  // namespace ringdrop::server
