#include "server/download_plan.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "proto/content_disposition.h"
#include "proto/digest.h"
#include "proto/file_types.h"
#include "proto/http_conditional.h"
#include "proto/http_date.h"
#include "proto/http_response.h"
#include "proto/media_type.h"
#include "proto/uri.h"
#include "server/upload_answer.h"

namespace ringdrop::server {
namespace {

using proto::Precondition;
using proto::RangeSelection;

constexpr std::string_view kPolicy = "sandbox; default-src 'none'";
// A browser's player is a document that loads the file once more, from the same origin, and no script runs in it
// either: under the policy above it shows nothing (tried with Chromium).
constexpr std::string_view kPlayerPolicy =
    "sandbox allow-same-origin; default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'";

bool is_media(std::string_view content_type) {
  const auto parsed = proto::parse_media_type(content_type);
  const std::string_view type = parsed ? std::string_view(parsed->type) : std::string_view();
  return type.starts_with("video/") || type.starts_with("audio/") || type.starts_with("image/");
}

// The digest that is wanted, else all that are known: a digest of the whole file, also of a part (RFC 9530 2).
std::vector<proto::Digest> digests_to_send(const proto::RequestHead& request, const db::Link& link) {
  std::vector<proto::Digest> known = digests_of(link);
  const auto wanted = proto::parse_want_digest(request.fields.joined("Want-Repr-Digest"));
  if (!wanted || !*wanted) return known;
  for (const proto::Digest& digest : known) {
    if (digest.algorithm == **wanted) return {digest};
  }
  return known;
}

// What 200, 206 and 304 have in common.
void add_metadata(proto::Fields& fields, const db::Link& link, const proto::Validators& validators) {
  fields.add("ETag", validators.etag);
  fields.add("Last-Modified", proto::format_http_date(validators.last_modified_s));
  // The ETag makes asking again cheap; of a limited link each copy must be fetched here.
  fields.add("Cache-Control", link.max_downloads ? "private, no-store" : "no-cache");
  fields.add("Vary", kDownloadVary);
}

void add_representation(proto::Fields& fields, const proto::RequestHead& request, const db::Link& link) {
  const bool display = proto::may_display_inline(link.content_type) && !asks_for_attachment(request);
  const auto disposition = display ? proto::Disposition::inline_ : proto::Disposition::attachment;
  fields.add("Accept-Ranges", "bytes");
  fields.add("Content-Disposition", proto::format_content_disposition(disposition, link.name));
  // Whatever a stranger uploaded must not act as a page of this origin.
  fields.add("X-Content-Type-Options", "nosniff");
  fields.add("Content-Security-Policy", display && is_media(link.content_type) ? kPlayerPolicy : kPolicy);
  fields.add("Cross-Origin-Resource-Policy", "same-origin");
  fields.add("Referrer-Policy", "no-referrer");
  fields.add("X-Robots-Tag", "noindex");
  const std::vector<proto::Digest> digests = digests_to_send(request, link);
  if (!digests.empty()) fields.add("Repr-Digest", proto::format_digest_field(digests));
}

// Range is for GET alone (RFC 9110 14.2).
RangeSelection select(const proto::RequestHead& request, const db::Link& link, const proto::Validators& validators,
                      int64_t now_s) {
  const bool applies = request.method == proto::Method::get && proto::range_applies(request.fields, validators, now_s);
  return proto::select_ranges(applies ? request.fields.joined("Range") : "", link.size_bytes);
}

DownloadPlan make_plan(const proto::RequestHead& request, const db::Link& link, int64_t now_s,
                       std::string boundary_seed) {
  DownloadPlan plan;
  const proto::Validators validators{.etag = etag_of(link), .last_modified_s = link.created_at_ms / 1000};
  const Precondition precondition = proto::evaluate_preconditions(request.fields, validators, now_s);
  if (precondition == Precondition::failed) {
    plan.head.status = 412;
    plan.head.fields.add("Vary", kDownloadVary);
    return plan;
  }
  add_metadata(plan.head.fields, link, validators);
  if (precondition == Precondition::not_modified) {
    plan.head.status = 304;
    return plan;
  }
  RangeSelection selection = select(request, link, validators, now_s);
  if (selection.kind == RangeSelection::Kind::unsatisfiable) {
    plan.head.status = 416;
    plan.head.fields = {};
    plan.head.fields.add("Vary", kDownloadVary);
    plan.head.fields.add("Accept-Ranges", "bytes");
    plan.head.fields.add("Content-Range", proto::format_unsatisfied_range(link.size_bytes));
    return plan;
  }
  add_representation(plan.head.fields, request, link);
  if (selection.kind == RangeSelection::Kind::whole) {
    plan.head.fields.add("Content-Type", link.content_type);
    plan.body_bytes = link.size_bytes;
    if (link.size_bytes > 0) plan.ranges = {proto::ByteRange{0, link.size_bytes - 1}};
    return plan;
  }
  plan.head.status = 206;
  plan.ranges = std::move(selection.ranges);
  if (plan.ranges.size() == 1) {
    plan.head.fields.add("Content-Type", link.content_type);
    plan.head.fields.add("Content-Range", proto::format_content_range(plan.ranges.front(), link.size_bytes));
    plan.body_bytes = plan.ranges.front().length_bytes();
    return plan;
  }
  plan.boundary = std::move(boundary_seed);
  plan.part_type = link.content_type;
  plan.head.fields.add("Content-Type", "multipart/byteranges; boundary=" + plan.boundary);
  plan.body_bytes = proto::parts_length_bytes(plan.boundary, plan.part_type, plan.ranges, link.size_bytes);
  return plan;
}

}  // namespace

bool asks_for_attachment(const proto::RequestHead& request) {
  const auto parameters = proto::parse_query(request.query);
  if (!parameters) return false;
  for (const auto& [name, value] : *parameters) {
    if (name == "dl" && value != "0") return true;
  }
  return false;
}

std::string etag_of(const db::Link& link) {
  return '"' + proto::to_hex(proto::sha256("etag " + link.token)).substr(0, 32) + '"';
}

bool asks_for_plain_download(const proto::RequestHead& request) {
  static constexpr std::array kFields = {
      "Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "Want-Repr-Digest"};
  const auto asked = [&](const char* name) { return request.fields.find(name).has_value(); };
  return request.query.empty() && std::ranges::none_of(kFields, asked);
}

DownloadPlan plan_download(const proto::RequestHead& request, const db::Link& link, int64_t now_s,
                           std::string boundary_seed) {
  DownloadPlan plan = make_plan(request, link, now_s, std::move(boundary_seed));
  if (plan.head.status < 300) plan.field_lines = proto::format_fields(plan.head.fields);
  return plan;
}

}  // namespace ringdrop::server
