#include "server/web_page.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "proto/digest.h"
#include "proto/http_conditional.h"
#include "proto/media_type.h"
#include "proto/uri.h"
#include "server/http_error.h"
#include "server/page_text.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;

// No script or style but our own files, nothing from elsewhere. A form is there for browsers without scripts.
constexpr std::string_view kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
constexpr std::string_view kPageVary = "Accept, Accept-Language";
// An asset's name changes with its bytes.
constexpr std::string_view kForever = "public, max-age=31536000, immutable";
constexpr std::string_view kADay = "public, max-age=86400";

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

// ";q=0.8" in thousandths; 1000 without one, 0 for what is none.
int weight_of(std::string_view parameters) {
  const std::size_t at = parameters.find("q=");
  if (at == parameters.npos) return 1000;
  double weight = 0;
  const char* const end = parameters.data() + parameters.size();
  if (std::from_chars(parameters.data() + at + 2, end, weight).ec != std::errc()) return 0;
  return static_cast<int>(std::clamp(weight, 0.0, 1.0) * 1000);
}

std::string etag_of_bytes(std::string_view bytes) {
  return '"' + proto::to_hex(proto::sha256(bytes)).substr(0, 32) + '"';
}

// 304 when the client has it already.
Task<Result<>> send_unless_known(const Exchange& exchange, proto::ResponseHead head, std::string_view bytes) {
  proto::Validators validators;
  validators.etag = etag_of_bytes(bytes);
  head.fields.add("ETag", validators.etag);
  const bool known =
      exchange.request.fields.find("If-None-Match").has_value() &&
      proto::evaluate_preconditions(exchange.request.fields, validators, 0) == proto::Precondition::not_modified;
  if (known) {
    head.status = 304;
    bytes = {};
  }
  co_return co_await exchange.response.send(head, bytes);
}

Task<Result<>> send_bytes_of(const Exchange& exchange, const WebAsset& asset, std::string_view cache_control) {
  proto::ResponseHead head;
  head.fields.add("Content-Type", asset.type);
  head.fields.add("Cache-Control", cache_control);
  head.fields.add("X-Content-Type-Options", "nosniff");
  head.fields.add("Content-Security-Policy", "default-src 'none'");
  head.fields.add("Referrer-Policy", "no-referrer");
  co_return co_await send_unless_known(exchange, std::move(head), asset.bytes);
}

}  // namespace

bool accepts_page(const proto::RequestHead& request) {
  return proto::accepts_by_name(request.fields.joined("Accept"), "text/html");
}

bool is_navigation(const proto::RequestHead& request) {
  if (!request.fields.find("Accept")) return false;
  const std::string accept = request.fields.joined("Accept");
  const bool is_program =
      proto::accepts_by_name(accept, "application/json") || proto::accepts_by_name(accept, "application/problem+json");
  return !is_program && accepts_page(request) &&
         request.fields.find("Sec-Fetch-Mode").value_or("navigate") == "navigate";
}

Language language_of(const proto::RequestHead& request) {
  const std::string field = request.fields.joined("Accept-Language");
  std::string_view rest = field;
  int english = 0;
  int russian = 0;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view one = trimmed(rest.substr(0, comma));
    rest.remove_prefix(comma == rest.npos ? rest.size() : comma + 1);
    const std::size_t semicolon = one.find(';');
    const std::string_view tag = trimmed(one.substr(0, semicolon));
    const std::string_view primary = tag.substr(0, tag.find('-'));
    const int weight = semicolon == one.npos ? 1000 : weight_of(one.substr(semicolon));
    if (proto::equals_ignoring_case(primary, "ru")) russian = std::max(russian, weight);
    if (proto::equals_ignoring_case(primary, "en")) english = std::max(english, weight);
  }
  return russian > english ? Language::ru : Language::en;
}

std::string way_to_root(const proto::RequestHead& request) {
  std::string way = "./";
  const std::size_t above = proto::path_segments(request.path).size() - 1;
  for (std::size_t i = 0; i < above; ++i) way += "../";
  return way;
}

Task<Result<>> send_page(const Exchange& exchange, WebPage page, PageFields fields, proto::ResponseHead head) {
  fields["root"] = way_to_root(exchange.request);
  const std::string text = fill_page(web_page(page, language_of(exchange.request)), fields);
  const bool may_store = head.fields.find("Cache-Control").has_value();
  head.fields.add("Content-Type", "text/html; charset=utf-8");
  head.fields.add("X-Content-Type-Options", "nosniff");
  head.fields.add("Content-Security-Policy", kPagePolicy);
  head.fields.add("Referrer-Policy", "no-referrer");
  head.fields.add("X-Robots-Tag", "noindex");
  if (!head.fields.find("Vary")) head.fields.add("Vary", kPageVary);
  if (may_store) co_return co_await send_unless_known(exchange, std::move(head), text);
  head.fields.add("Cache-Control", "no-store");
  co_return co_await exchange.response.send(head, text);
}

Task<Result<>> send_index_page(const Config& config, const Exchange& exchange) {
  PageFields fields;
  fields["base"] = exchange.base_url();
  fields["max_size"] = whole_size(config.max_upload_bytes, language_of(exchange.request));
  // What becomes of a link whose uploader wishes nothing.
  const bool forever = config.default_expiry.count() == 0 && config.max_expiry.count() == 0;
  fields[forever ? "forever" : "bounded"] = "1";
  proto::ResponseHead head;
  head.fields.add("Cache-Control", "no-cache");
  co_return co_await send_page(exchange, WebPage::index, std::move(fields), std::move(head));
}

Task<Result<>> send_watch_page(const Exchange& exchange) {
  PageFields none;
  proto::ResponseHead head;
  co_return co_await send_page(exchange, WebPage::watch, std::move(none), std::move(head));
}

Task<Result<>> send_missing_page(const Exchange& exchange) {
  PageFields none;
  proto::ResponseHead head;
  head.status = 404;
  head.fields.add("Vary", kLinkPageVary);
  co_return co_await send_page(exchange, WebPage::missing, std::move(none), std::move(head));
}

Task<Result<>> send_asset(const Exchange& exchange, std::string_view file) {
  const auto asset = std::ranges::find(web_assets(), file, &WebAsset::name);
  if (asset == web_assets().end()) co_return co_await send_rejection(errors::kNotFound, exchange);
  co_return co_await send_bytes_of(exchange, *asset, kForever);
}

Task<Result<>> send_favicon(const Exchange& exchange) {
  const auto is_icon = [](const WebAsset& asset) { return asset.name.ends_with(".svg"); };
  const auto icon = std::ranges::find_if(web_assets(), is_icon);
  co_return co_await send_bytes_of(exchange, *icon, kADay);
}

}  // namespace ringdrop::server
