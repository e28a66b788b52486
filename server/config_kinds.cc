#include "server/config_kinds.h"

#include <fmt/format.h>

#include <algorithm>

#include "proto/units.h"

namespace ringdrop::server {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

std::string in_quotes(std::string_view text) {
  return '"' + escaped(text) + '"';
}

std::string is_not(const ConfigValue& value, std::string_view wanted) {
  return fmt::format("{} is not {}", shown(value), wanted);
}

std::string too_small(const ConfigValue& value, std::string_view bound) {
  return fmt::format("{} is too small: at least {}", shown(value), bound);
}

std::string too_large(const ConfigValue& value, std::string_view bound) {
  return fmt::format("{} is too large: at most {}", shown(value), bound);
}

std::string format_duration(milliseconds value) {
  return value % 1s == 0ms ? fmt::format("{}s", value / 1s) : fmt::format("{}ms", value.count());
}

}  // namespace

std::string escaped(std::string_view text) {
  constexpr std::size_t kMaxBytes = 160;
  std::string out;
  for (const char c : text.substr(0, kMaxBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return text.size() > kMaxBytes ? out + "..." : out;
}

std::string shown(const ConfigValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return in_quotes(*text);
  if (const auto* number = std::get_if<int64_t>(&value)) return std::to_string(*number);
  if (const auto* other = std::get_if<OtherValue>(&value)) return other->shown;
  return "a list";
}

ConfigProblem ListKind::set(Config& config, const ConfigValue& value) const {
  std::vector<std::string> items;
  if (const auto* text = std::get_if<std::string>(&value)) {
    items.push_back(*text);
  } else if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    items = *list;
  } else {
    return is_not(value, wanted);
  }
  if (items.empty() && !may_be_empty) return "the list is empty: it needs at least one";
  for (const std::string& item : items) {
    if (!is_valid(item)) return is_not(item, wanted);
  }
  config.*member = std::move(items);
  return std::nullopt;
}

std::string ListKind::text(const Config& config) const {
  std::string out;
  for (const std::string& item : config.*member) out += (out.empty() ? "" : ", ") + in_quotes(item);
  return '[' + out + ']';
}

ConfigProblem TextKind::set(Config& config, const ConfigValue& value) const {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr || !is_valid(*text)) return is_not(value, wanted);
  config.*member = *text;
  return std::nullopt;
}

std::string TextKind::text(const Config& config) const {
  return in_quotes(config.*member);
}

ConfigProblem PathKind::set(Config& config, const ConfigValue& value) const {
  const auto* path = std::get_if<std::string>(&value);
  if (path == nullptr || path->empty() || path->find('\0') != std::string::npos) {
    return is_not(value, "a path (like \"./data\")");
  }
  config.*member = *path;
  return std::nullopt;
}

std::string PathKind::text(const Config& config) const {
  return in_quotes((config.*member).string());
}

ConfigProblem CountKind::set(Config& config, const ConfigValue& value) const {
  const auto* number = std::get_if<int64_t>(&value);
  if (number == nullptr) return is_not(value, "a whole number (like 4)");
  if (*number < min) return too_small(value, std::to_string(min));
  if (*number > max) return too_large(value, std::to_string(max));
  config.*member = static_cast<uint32_t>(*number);
  return std::nullopt;
}

std::string CountKind::text(const Config& config) const {
  return std::to_string(config.*member);
}

ConfigProblem SizeKind::set(Config& config, const ConfigValue& value) const {
  std::optional<uint64_t> bytes;
  if (const auto* text = std::get_if<std::string>(&value)) {
    bytes = proto::parse_size(*text);
  } else if (const auto* number = std::get_if<int64_t>(&value); number && *number >= 0) {
    bytes = static_cast<uint64_t>(*number);  // a bare number can only mean bytes
  }
  if (!bytes) return is_not(value, "a size (like \"64MiB\")");
  if (*bytes < min_bytes) return too_small(value, proto::format_size(min_bytes));
  if (*bytes > max_bytes) return too_large(value, proto::format_size(max_bytes));
  config.*member = *bytes;
  return std::nullopt;
}

std::string SizeKind::text(const Config& config) const {
  return in_quotes(proto::format_size(config.*member));
}

ConfigProblem DurationKind::set(Config& config, const ConfigValue& value) const {
  // A bare number is refused: nobody can see whether it means seconds or milliseconds.
  std::optional<milliseconds> duration;
  if (const auto* text = std::get_if<std::string>(&value)) duration = proto::parse_duration(*text);
  if (!duration) return is_not(value, "a duration (like \"30s\")");
  if (*duration < min) return too_small(value, format_duration(min));
  if (*duration > max) return too_large(value, format_duration(max));
  config.*member = *duration;
  return std::nullopt;
}

std::string DurationKind::text(const Config& config) const {
  return in_quotes(format_duration(config.*member));
}

ConfigProblem ChoiceKind::set(Config& config, const ConfigValue& value) const {
  const auto* name = std::get_if<std::string>(&value);
  const auto found = name ? std::ranges::find(names, *name) : names.end();
  if (found == names.end()) return is_not(value, fmt::format("one of {}", fmt::join(names, ", ")));
  assign(config, static_cast<std::size_t>(found - names.begin()));
  return std::nullopt;
}

std::string ChoiceKind::text(const Config& config) const {
  return in_quotes(names[index(config)]);
}

}  // namespace ringdrop::server
