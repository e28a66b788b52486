#include "proto/http_date.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "proto/characters.h"

namespace ringdrop::proto {
namespace {

using std::chrono::days;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;
using std::chrono::year_month_day;
using std::chrono::years;

constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::size_t kShortName = 3;
constexpr std::size_t kImfFixdateBytes = std::string_view("Sun, 06 Nov 1994 08:49:37 GMT").size();

// What four digits of a year can say: 0001-01-01T00:00:00 and 9999-12-31T23:59:59.
constexpr int64_t kFirstSecond = -62'135'596'800;
constexpr int64_t kLastSecond = 253'402'300'799;

// `value` in so many decimal digits. An answer has a date each, so the number is written in place.
void append_number(std::string& text, unsigned value, std::size_t width) {
  const std::size_t end = text.size() + width;
  text.resize(end, '0');
  for (std::size_t at = end; value > 0; value /= 10) text[--at] = static_cast<char>('0' + value % 10);
}

// Takes a date apart from the front. After the first mismatch it stays failed and all results are
// meaningless.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool complete() const { return ok_ && rest_.empty(); }
  bool failed() const { return !ok_; }

  void literal(std::string_view expected) {
    ok_ = ok_ && rest_.starts_with(expected);
    if (ok_) rest_.remove_prefix(expected.size());
  }

  unsigned number(std::size_t width) {
    unsigned value = 0;
    ok_ = ok_ && rest_.size() >= width &&
          std::all_of(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(width), is_digit);
    if (!ok_) return 0;
    std::from_chars(rest_.data(), rest_.data() + width, value);
    rest_.remove_prefix(width);
    return value;
  }

  // date3 of asctime: ( 2DIGIT / ( SP DIGIT ) )
  unsigned padded_day() {
    if (!rest_.starts_with(' ')) return number(2);
    literal(" ");
    return number(1);
  }

  std::chrono::month month() {
    for (unsigned i = 0; i < kMonths.size(); ++i) {
      if (!rest_.starts_with(kMonths[i])) continue;
      rest_.remove_prefix(kShortName);
      return std::chrono::month(i + 1);
    }
    ok_ = false;
    return std::chrono::month(0);
  }

  // 23:59:60 is a leap second (RFC 9110 5.6.7); like POSIX time we take it as the next one.
  seconds time_of_day() {
    const unsigned hour = number(2);
    literal(":");
    const unsigned minute = number(2);
    literal(":");
    const unsigned second = number(2);
    ok_ = ok_ && hour < 24 && minute < 60 && second <= 60;
    return seconds(hour * 3600 + minute * 60 + second);
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

std::optional<int64_t> epoch_seconds(year_month_day date, seconds time_of_day) {
  if (!date.ok()) return std::nullopt;
  return (sys_days(date) + time_of_day).time_since_epoch().count();
}

std::chrono::year full_year(unsigned year) {
  return std::chrono::year(static_cast<int>(year));
}

// "06 Nov 1994 08:49:37 GMT"
std::optional<int64_t> parse_imf_fixdate(std::string_view text) {
  Scanner scanner(text);
  const std::chrono::day day(scanner.number(2));
  scanner.literal(" ");
  const std::chrono::month month = scanner.month();
  scanner.literal(" ");
  const std::chrono::year year = full_year(scanner.number(4));
  scanner.literal(" ");
  const seconds time = scanner.time_of_day();
  scanner.literal(" GMT");
  if (!scanner.complete()) return std::nullopt;
  return epoch_seconds(year_month_day(year, month, day), time);
}

// "Nov  6 08:49:37 1994"
std::optional<int64_t> parse_asctime(std::string_view text) {
  Scanner scanner(text);
  const std::chrono::month month = scanner.month();
  scanner.literal(" ");
  const std::chrono::day day(scanner.padded_day());
  scanner.literal(" ");
  const seconds time = scanner.time_of_day();
  scanner.literal(" ");
  const std::chrono::year year = full_year(scanner.number(4));
  if (!scanner.complete()) return std::nullopt;
  return epoch_seconds(year_month_day(year, month, day), time);
}

// "06-Nov-94 08:49:37 GMT". RFC 9110 5.6.7: what appears to be more than 50 years in the future is
// the most recent year in the past with these last two digits.
std::optional<int64_t> parse_rfc850(std::string_view text, int64_t now) {
  Scanner scanner(text);
  const std::chrono::day day(scanner.number(2));
  scanner.literal("-");
  const std::chrono::month month = scanner.month();
  scanner.literal("-");
  const int two_digits = static_cast<int>(scanner.number(2));
  scanner.literal(" ");
  const seconds time = scanner.time_of_day();
  scanner.literal(" GMT");
  if (!scanner.complete()) return std::nullopt;

  const sys_seconds instant{seconds(std::clamp(now, kFirstSecond, kLastSecond))};
  const sys_days today = std::chrono::floor<days>(instant);
  const year_month_day in_50_years = year_month_day(today) + years(50);
  const int64_t latest = (sys_days(in_50_years) + (instant - today)).time_since_epoch().count();

  // In the century in which these 50 years end, or in the one before when that is too late.
  const int last_year = static_cast<int>(in_50_years.year());
  const int year = last_year - last_year % 100 + two_digits;
  const auto candidate = epoch_seconds(year_month_day(std::chrono::year(year), month, day), time);
  if (candidate && *candidate > latest) {
    return epoch_seconds(year_month_day(std::chrono::year(year - 100), month, day), time);
  }
  return candidate;
}

}  // namespace

std::string format_http_date(int64_t epoch_seconds) {
  const sys_seconds instant{seconds(std::clamp(epoch_seconds, kFirstSecond, kLastSecond))};
  const sys_days today = std::chrono::floor<days>(instant);
  const year_month_day date(today);
  const std::chrono::hh_mm_ss time(instant - today);
  std::string text;
  text.reserve(kImfFixdateBytes);
  text += kDays[std::chrono::weekday(today).c_encoding()].substr(0, kShortName);
  text += ", ";
  append_number(text, static_cast<unsigned>(date.day()), 2);
  text += ' ';
  text += kMonths[static_cast<unsigned>(date.month()) - 1];
  text += ' ';
  append_number(text, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  text += ' ';
  append_number(text, static_cast<unsigned>(time.hours().count()), 2);
  text += ':';
  append_number(text, static_cast<unsigned>(time.minutes().count()), 2);
  text += ':';
  append_number(text, static_cast<unsigned>(time.seconds().count()), 2);
  text += " GMT";
  return text;
}

// The name of the day tells the forms apart; that it is the right one is not asked (RFC 9110 5.6.7:
// be robust).
std::optional<int64_t> parse_http_date(std::string_view text, int64_t now_epoch_seconds) {
  for (const std::string_view name : kDays) {
    if (text.starts_with(name) && text.substr(name.size()).starts_with(", ")) {
      return parse_rfc850(text.substr(name.size() + 2), now_epoch_seconds);
    }
    if (!text.starts_with(name.substr(0, kShortName))) continue;
    const std::string_view rest = text.substr(kShortName);
    if (rest.starts_with(", ")) return parse_imf_fixdate(rest.substr(2));
    if (rest.starts_with(' ')) return parse_asctime(rest.substr(1));
  }
  return std::nullopt;
}

}  // namespace ringdrop::proto
