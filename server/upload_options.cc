#include "server/upload_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "proto/units.h"
#include "proto/uri.h"
#include "server/http_error.h"
#include "server/upload_id.h"

namespace ringdrop::server {
namespace {

using proto::Rejection;
using std::chrono::hours;
using std::chrono::milliseconds;

struct Option {
  std::string_view parameter;  // of a query or form
  std::string_view field;      // of the head
  Rejection conflict;
};
constexpr std::array kOptions{
    Option{"max_downloads", "Max-Downloads", errors::kMaxDownloadsConflict},
    Option{"max_days", "Max-Days", errors::kMaxDaysConflict},
    Option{"expires", "Expires-In", errors::kExpiryConflict},
    Option{"watch_id", "Watch-Id", errors::kWatchIdConflict},
    Option{"upload_id", "Upload-Id", errors::kUploadIdConflict},
};

constexpr uint64_t kMostDownloads = 1'000'000'000;
constexpr uint64_t kMostDays = 36'500;
constexpr uint64_t kMostHours = kMostDays * 24;
// 0x0.st: larger numbers are a time, not a number of hours.
constexpr uint64_t kFirstEpochMs = 1'650'460'320'000;

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

void add_once(std::vector<proto::DigestAlgorithm>& to, proto::DigestAlgorithm algorithm) {
  if (std::ranges::find(to, algorithm) == to.end()) to.push_back(algorithm);
}

void keep_earlier(ExpiryWish& wish, const ExpiryWish& other) {
  if (other.after) wish.after = wish.after ? std::min(*wish.after, *other.after) : *other.after;
  if (other.at) wish.at = wish.at ? std::min(*wish.at, *other.at) : *other.at;
}

}  // namespace

std::optional<Rejection> OptionCollector::add(std::string_view name, std::string_view value) {
  const auto option = std::ranges::find(kOptions, name, &Option::parameter);
  if (option == kOptions.end()) return std::nullopt;
  const auto [place, is_new] = values_.emplace(std::string(name), std::string(value));
  if (!is_new && place->second != value) return option->conflict;
  return std::nullopt;
}

bool OptionCollector::is_option(std::string_view name) {
  return std::ranges::find(kOptions, name, &Option::parameter) != kOptions.end();
}

std::optional<Rejection> OptionCollector::add_head(const proto::RequestHead& request) {
  for (const Option& option : kOptions) {
    for (const proto::Field& field : request.fields) {
      if (!proto::equals_ignoring_case(field.name, option.field)) continue;
      const std::optional<Rejection> refused = add(option.parameter, field.value);
      if (refused) return refused;
    }
  }
  const auto parameters = proto::parse_query(request.query);
  if (!parameters) return errors::kBadQuery;
  for (const auto& [name, value] : *parameters) {
    if (name == "name") name_ = value;
    const std::optional<Rejection> refused = add(name, value);
    if (refused) return refused;
  }
  return std::nullopt;
}

std::expected<UploadOptions, Rejection> OptionCollector::parse(io::EpochMs now_ms) const {
  UploadOptions options;
  const auto text_of = [&](std::string_view name) -> const std::string* {
    const auto found = values_.find(name);
    return found == values_.end() ? nullptr : &found->second;
  };
  if (const std::string* const text = text_of("max_downloads")) {
    const std::optional<uint64_t> number = parse_number(*text);
    if (!number || *number < 1 || *number > kMostDownloads) return std::unexpected(errors::kBadMaxDownloads);
    options.max_downloads = *number;
  }
  if (const std::string* const text = text_of("max_days")) {
    const std::optional<uint64_t> number = parse_number(*text);
    if (!number || *number < 1 || *number > kMostDays) return std::unexpected(errors::kBadMaxDays);
    options.expiry.after = hours(24 * *number);
  }
  if (const std::string* const text = text_of("expires")) {
    const std::expected<ExpiryWish, Rejection> wish = parse_expiry(*text, now_ms);
    if (!wish) return std::unexpected(wish.error());
    keep_earlier(options.expiry, *wish);
  }
  if (const std::string* const text = text_of("watch_id")) {
    if (!is_upload_id(*text)) return std::unexpected(errors::kBadWatchId);
    options.watch_id = *text;
  }
  if (const std::string* const text = text_of("upload_id")) {
    if (!is_upload_id(*text)) return std::unexpected(errors::kBadUploadId);
    options.upload_id = *text;
  }
  return options;
}

std::expected<ExpiryWish, Rejection> parse_expiry(std::string_view text, io::EpochMs now_ms) {
  ExpiryWish wish;
  if (const std::optional<uint64_t> number = parse_number(text)) {
    if (*number > kFirstEpochMs) {
      const uint64_t latest = static_cast<uint64_t>(now_ms) + kMostHours * 3'600'000;
      if (*number <= static_cast<uint64_t>(now_ms) || *number > latest) return std::unexpected(errors::kBadExpiry);
      wish.at = static_cast<io::EpochMs>(*number);
      return wish;
    }
    if (*number < 1 || *number > kMostHours) return std::unexpected(errors::kBadExpiry);
    wish.after = hours(*number);
    return wish;
  }
  const std::optional<milliseconds> duration = proto::parse_duration(text);
  if (!duration || duration->count() < 1 || *duration > hours(kMostHours)) return std::unexpected(errors::kBadExpiry);
  wish.after = *duration;
  return wish;
}

std::string format_options(const UploadOptions& options) {
  std::string text;
  if (options.max_downloads) text += fmt::format("max_downloads={}&", *options.max_downloads);
  if (options.expiry.after) text += fmt::format("after_ms={}&", options.expiry.after->count());
  if (options.expiry.at) text += fmt::format("at_ms={}&", *options.expiry.at);
  return text;
}

UploadOptions parse_stored_options(std::string_view text) {
  UploadOptions options;
  const auto pairs = proto::parse_query(text);
  if (!pairs) return options;
  for (const auto& [name, value] : *pairs) {
    const std::optional<uint64_t> number = parse_number(value);
    if (!number) continue;
    if (name == "max_downloads") options.max_downloads = *number;
    if (name == "after_ms") options.expiry.after = milliseconds(*number);
    if (name == "at_ms") options.expiry.at = static_cast<io::EpochMs>(*number);
  }
  return options;
}

std::optional<io::EpochMs> expires_at(const ExpiryWish& wish, const Config& config, io::EpochMs now_ms) {
  std::optional<io::EpochMs> at = wish.at;
  if (wish.after) at = std::min(at.value_or(INT64_MAX), now_ms + wish.after->count());
  if (!at && config.default_expiry.count() > 0) at = now_ms + config.default_expiry.count();
  if (config.max_expiry.count() > 0) at = std::min(at.value_or(INT64_MAX), now_ms + config.max_expiry.count());
  return at;
}

void DigestPlan::expect_content_as_whole() {
  for (proto::Digest& digest : std::exchange(content, {})) {
    add_once(compute, digest.algorithm);
    expected.push_back(std::move(digest));
  }
}

std::expected<DigestPlan, Rejection> plan_digests(const proto::RequestHead& request, const Config& config) {
  DigestPlan plan;
  auto whole = proto::parse_digest_field(request.fields.joined("Repr-Digest"));
  if (!whole) return std::unexpected(whole.error());
  plan.expected = std::move(*whole);
  auto content = proto::parse_digest_field(request.fields.joined("Content-Digest"));
  if (!content) return std::unexpected(content.error());
  plan.content = std::move(*content);
  const auto wanted = proto::parse_want_digest(request.fields.joined("Want-Repr-Digest"));
  if (!wanted) return std::unexpected(wanted.error());
  if (config.digest == DigestPolicy::always) add_once(plan.wanted, proto::DigestAlgorithm::sha256);
  if (*wanted && config.digest != DigestPolicy::never) add_once(plan.wanted, **wanted);
  plan.compute = plan.wanted;
  for (const proto::Digest& digest : plan.expected) add_once(plan.compute, digest.algorithm);
  return plan;
}

}  // namespace ringdrop::server
