#include "server/page_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "base/bytes.h"

namespace ringdrop::server {
namespace {

constexpr std::array<std::string_view, 4> kEnglishUnits{"KiB", "MiB", "GiB", "TiB"};
constexpr std::array<std::string_view, 4> kRussianUnits{"КиБ", "МиБ", "ГиБ", "ТиБ"};
// So that no line ends within a number.
constexpr std::string_view kNoBreak = "\xC2\xA0";

std::string_view unit_of(std::size_t unit, Language language) {
  return (language == Language::ru ? kRussianUnits : kEnglishUnits)[unit];
}

// "1,503,238,553".
std::string grouped(uint64_t number, std::string_view separator) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, separator);
  }
  return text;
}

std::string exact_size(uint64_t bytes, Language language) {
  if (language == Language::en) return fmt::format("{} {}", grouped(bytes, ","), bytes == 1 ? "byte" : "bytes");
  const bool few = bytes % 10 >= 2 && bytes % 10 <= 4 && (bytes % 100 < 12 || bytes % 100 > 14);
  return fmt::format("{} {}", grouped(bytes, kNoBreak), few ? "байта" : "байт");
}

}  // namespace

std::string describe_size(uint64_t bytes, Language language) {
  if (bytes < kKiB) return exact_size(bytes, language);
  std::size_t unit = 0;
  uint64_t size_of_unit = kKiB;
  while (unit + 1 < kEnglishUnits.size() && bytes / size_of_unit >= kKiB) {
    size_of_unit *= kKiB;
    ++unit;
  }
  std::string about = fmt::format("{:.1f}", static_cast<double>(bytes) / static_cast<double>(size_of_unit));
  if (language == Language::ru) std::ranges::replace(about, '.', ',');
  return fmt::format("{} {} ({})", about, unit_of(unit, language), exact_size(bytes, language));
}

std::string whole_size(uint64_t bytes, Language language) {
  if (bytes == 0 || bytes % kKiB != 0) return exact_size(bytes, language);
  std::size_t unit = 0;
  uint64_t count = bytes / kKiB;
  while (unit + 1 < kEnglishUnits.size() && count % kKiB == 0) {
    count /= kKiB;
    ++unit;
  }
  return fmt::format("{} {}", count, unit_of(unit, language));
}

}  // namespace ringdrop::server
