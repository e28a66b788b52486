#include "proto/units.h"

#include <array>
#include <charconv>
#include <limits>

#include "base/bytes.h"
#include "proto/characters.h"

namespace ringdrop::proto {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};

constexpr std::array<Unit, 5> kDurationUnits = {{
    {"ms", 1},
    {"s", 1000},
    {"m", 60 * 1000},
    {"h", 60 * 60 * 1000},
    {"d", 24 * 60 * 60 * 1000},
}};

constexpr uint64_t kTiB = 1024 * kGiB;

// Largest first, as format_size needs the binary ones.
constexpr std::array<Unit, 5> kBinaryUnits = {{{"TiB", kTiB}, {"GiB", kGiB}, {"MiB", kMiB}, {"KiB", kKiB}, {"B", 1}}};
constexpr std::array<Unit, 5> kDecimalUnits = {
    {{"", 1}, {"KB", 1000}, {"MB", 1000'000}, {"GB", 1000'000'000}, {"TB", 1000'000'000'000}}};

struct Quantity {
  uint64_t number;
  std::string_view unit;
};

// Digits and what follows them. from_chars would take no sign either for an unsigned number, but
// asks for a digit.
std::optional<Quantity> split_quantity(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  return Quantity{number, text.substr(static_cast<std::size_t>(end - text.data()))};
}

template <std::size_t N>
std::optional<uint64_t> factor_of(const std::array<Unit, N>& units, std::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return unit.factor;
  }
  return std::nullopt;
}

std::optional<uint64_t> multiply(uint64_t number, uint64_t factor, uint64_t most) {
  if (number > most / factor) return std::nullopt;
  return number * factor;
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto quantity = split_quantity(text);
  if (!quantity) return std::nullopt;
  const auto factor = factor_of(kDurationUnits, quantity->unit);
  if (!factor) return std::nullopt;
  using Count = std::chrono::milliseconds::rep;
  const auto count = multiply(quantity->number, *factor, static_cast<uint64_t>(std::numeric_limits<Count>::max()));
  if (!count) return std::nullopt;
  return std::chrono::milliseconds(static_cast<Count>(*count));
}

std::optional<uint64_t> parse_size(std::string_view text) {
  const auto quantity = split_quantity(text);
  if (!quantity) return std::nullopt;
  auto factor = factor_of(kBinaryUnits, quantity->unit);
  if (!factor) factor = factor_of(kDecimalUnits, quantity->unit);
  if (!factor) return std::nullopt;
  return multiply(quantity->number, *factor, std::numeric_limits<uint64_t>::max());
}

std::string format_size(uint64_t bytes) {
  for (const Unit& unit : kBinaryUnits) {
    if (bytes == 0 || bytes % unit.factor != 0) continue;
    return std::to_string(bytes / unit.factor) + std::string(unit.name);
  }
  return "0B";
}

}  // namespace ringdrop::proto
