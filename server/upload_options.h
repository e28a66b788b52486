// What an uploader may ask for: read from fields, query and form, checked, and brought into terms of the link. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/clock.h"
#include "proto/digest.h"
#include "proto/http_message.h"
#include "server/config.h"

namespace ringdrop::server {

// A wish for the end of a link: `after` the upload's end, or `at` a time. Both: the earlier.
struct ExpiryWish {
  std::optional<std::chrono::milliseconds> after;
  std::optional<io::EpochMs> at;
};

struct UploadOptions {
  std::optional<uint64_t> max_downloads;
  ExpiryWish expiry;
  std::string watch_id;   // "" when none was chosen
  std::string upload_id;  // the same
};

// Collects the options of one request from all the places where they may stand. The same option in two places with
// different values is refused.
class OptionCollector {
 public:
  // The fields and the query of the head. 400 bad_query, option_conflict.
  std::optional<proto::Rejection> add_head(const proto::RequestHead& request);
  // A form field or query parameter; of a name that is no option: ignored. 400 option_conflict.
  std::optional<proto::Rejection> add(std::string_view name, std::string_view value);
  // Whether a form field of that name says anything.
  static bool is_option(std::string_view name);
  // 400 bad_max_downloads, bad_max_days, bad_expires, bad_watch_id, bad_upload_id; `now_ms`: a time that has passed is
  // refused.
  std::expected<UploadOptions, proto::Rejection> parse(io::EpochMs now_ms) const;
  // The `name` of the query; "" without one.
  const std::string& name() const { return name_; }

 private:
  std::map<std::string, std::string, std::less<>> values_;  // by the parameter's name
  std::string name_;
};

// "30s" "15m" "36h" "7d", a bare number of hours, or (above 1650460320000) epoch milliseconds, as 0x0.st has it.
std::expected<ExpiryWish, proto::Rejection> parse_expiry(std::string_view text, io::EpochMs now_ms);

// The options as text that parse_stored_options() reads: what the catalogue keeps of an unfinished upload.
std::string format_options(const UploadOptions& options);
UploadOptions parse_stored_options(std::string_view text);

// When a link ends that is made at `now_ms`: the wish, else default_expiry, cut to max_expiry; nullopt: never.
std::optional<io::EpochMs> expires_at(const ExpiryWish& wish, const Config& config, io::EpochMs now_ms);

// The digests that must be computed, and those that must come out.
struct DigestPlan {
  std::vector<proto::DigestAlgorithm> wanted;   // by the client or the configuration
  std::vector<proto::DigestAlgorithm> compute;  // those, and what `expected` needs
  std::vector<proto::Digest> expected;          // of the whole file (Repr-Digest)
  std::vector<proto::Digest> content;           // of this request's content (Content-Digest)
  // The request's content is the whole file.
  void expect_content_as_whole();
};
// Repr-Digest, Content-Digest, Want-Repr-Digest and the configuration. 400 bad_digest, bad_want_digest.
std::expected<DigestPlan, proto::Rejection> plan_digests(const proto::RequestHead& request, const Config& config);

}  // namespace ringdrop::server
