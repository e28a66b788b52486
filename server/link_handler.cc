#include "server/link_handler.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "proto/api_json.h"
#include "proto/digest.h"
#include "proto/media_type.h"
#include "proto/multipart.h"
#include "proto/uri.h"
#include "server/http_error.h"
#include "server/link_lookup.h"
#include "server/upload_access.h"
#include "server/upload_answer.h"
#include "server/upload_options.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;
using proto::Rejection;
using Form = std::map<std::string, std::string, std::less<>>;

constexpr std::size_t kMostFormBytes = 4 * kKiB;

bool knows_secret(const db::Link& link, std::string_view secret) {
  return proto::equal_in_constant_time(proto::sha256(secret), link.delete_hash);
}

// Ends the link for who knows its secret; the sweeper removes row and files when nobody downloads it any more.
Task<std::expected<void, Rejection>> remove_link(const Services& services, std::string_view token,
                                                 const std::optional<std::string>& secret) {
  const std::expected<db::Link, Rejection> link = co_await find_link(services, token);
  if (!link) co_return std::unexpected(link.error());
  if (!secret) co_return std::unexpected(errors::kNoDeleteToken);
  if (!knows_secret(*link, *secret)) co_return std::unexpected(errors::kForbidden);
  const io::EpochMs now_ms = services.loop.epoch_ms();
  const Result<bool> removed = co_await services.catalogue.set_expiry(services.loop, token, db::kEnded, now_ms);
  if (!removed) {
    services.loop.log().error(fmt::format("a link cannot be removed: {}", io::describe(removed.error())));
    co_return std::unexpected(rejection_for(removed.error()));
  }
  if (!*removed) co_return std::unexpected(errors::kNotFound);
  co_return std::expected<void, Rejection>{};
}

Task<Result<>> refuse(const Exchange& exchange, const Rejection& why) {
  const proto::Fields fields = why.status == 401 ? challenge("Bearer") : proto::Fields{};
  co_return co_await send_rejection(why, exchange, fields);
}

Task<Result<>> send_empty(const Exchange& exchange, uint16_t status) {
  proto::ResponseHead head;
  head.status = status;
  if (status != 204) head.fields.add("Content-Type", "text/plain; charset=utf-8");
  co_return co_await exchange.response.send(head, {});
}

// A small body, whole. nullopt: larger than kMostFormBytes.
Task<Result<std::optional<std::string>>> read_small_body(http::BodyReader& body) {
  std::string text;
  std::array<std::byte, kKiB> piece;
  while (!body.complete()) {
    const Result<> ready = co_await body.wait();
    if (!ready) co_return std::unexpected(ready.error());
    const Result<std::size_t> got = co_await body.read(piece, http::kBufferPatience);
    if (!got) co_return std::unexpected(got.error());
    text += as_text(Bytes(piece).first(*got));
    if (text.size() > kMostFormBytes) co_return std::optional<std::string>{};
  }
  co_return std::optional<std::string>(std::move(text));
}

std::optional<Form> parse_multipart_form(std::string_view text, std::string boundary) {
  if (!proto::is_valid_boundary(boundary)) return std::nullopt;
  proto::MultipartParser parser(std::move(boundary));
  Form form;
  std::string value;
  Bytes input = as_bytes(text);
  for (;;) {
    const auto step = parser.step(input);
    if (!step) return std::nullopt;
    using Event = proto::MultipartParser::Event;
    if (step->event == Event::need_more) break;
    if (step->event == Event::part_begins) value.clear();
    if (step->event == Event::content) value += as_text(step->content);
    if (step->event == Event::part_ends) form.insert_or_assign(parser.part().name, value);
    input = input.subspan(step->consumed);
  }
  if (!parser.ended()) return std::nullopt;
  return form;
}

// As curl -F or as curl -d sends it.
std::optional<Form> parse_form(const proto::RequestHead& request, std::string_view text) {
  const auto type = proto::parse_media_type(request.fields.find("Content-Type").value_or(""));
  if (type && type->type == "multipart/form-data") {
    return parse_multipart_form(text, std::string(type->parameter("boundary").value_or("")));
  }
  auto pairs = proto::parse_query(text);
  if (!pairs) return std::nullopt;
  Form form;
  for (auto& [name, value] : *pairs) form.insert_or_assign(std::move(name), std::move(value));
  return form;
}

// 0x0.st: the new end, which it returns; not later than max_expiry after the upload.
Task<std::expected<io::EpochMs, Rejection>> change_expiry(const Services& services, const db::Link& link,
                                                          std::string_view text) {
  const io::EpochMs now_ms = services.loop.epoch_ms();
  const std::expected<ExpiryWish, Rejection> wish = parse_expiry(text, now_ms);
  if (!wish) co_return std::unexpected(wish.error());
  io::EpochMs at = wish->at.value_or(INT64_MAX);
  if (wish->after) at = now_ms + wish->after->count();
  const io::EpochMs longest = services.config.max_expiry.count();
  if (longest > 0) at = std::min(at, link.created_at_ms + longest);
  const Result<bool> changed = co_await services.catalogue.set_expiry(services.loop, link.token, at, now_ms);
  if (!changed) {
    services.loop.log().error(fmt::format("an expiry cannot be changed: {}", io::describe(changed.error())));
    co_return std::unexpected(rejection_for(changed.error()));
  }
  if (!*changed) co_return std::unexpected(errors::kNotFound);
  co_return at;
}

}  // namespace

Task<Result<>> handle_link_info(const Services& services, const Exchange& exchange, std::string_view token) {
  const std::expected<db::Link, Rejection> link = co_await find_link(services, token);
  if (!link) co_return co_await refuse(exchange, link.error());
  proto::LinkView view;
  view.name = link->name;
  view.size_bytes = link->size_bytes;
  view.content_type = link->content_type;
  view.digests = digests_of(*link);
  view.created_at_ms = link->created_at_ms;
  view.expires_at_ms = link->expires_at_ms;
  view.downloads = link->downloads;
  if (link->max_downloads) view.downloads_left = *link->max_downloads - std::min(*link->max_downloads, link->downloads);
  proto::ResponseHead head;
  head.fields.add("Content-Type", "application/json");
  head.fields.add("X-Content-Type-Options", "nosniff");
  head.fields.add("Cache-Control", "no-store");
  const std::string json = proto::format_link(view);
  co_return co_await exchange.response.send(head, json);
}

Task<Result<>> handle_delete(const Services& services, const Exchange& exchange, std::string_view token) {
  const std::optional<std::string> secret = bearer_secret(exchange.request);
  const std::expected<void, Rejection> removed = co_await remove_link(services, token, secret);
  if (!removed) co_return co_await refuse(exchange, removed.error());
  co_return co_await send_empty(exchange, 204);
}

Task<Result<>> handle_delete_url(const Services& services, const Exchange& exchange, std::string_view token,
                                 std::string_view secret) {
  const std::optional<std::string> given(secret);
  const std::expected<void, Rejection> removed = co_await remove_link(services, token, given);
  if (!removed) co_return co_await refuse(exchange, removed.error());
  co_return co_await send_empty(exchange, 200);
}

Task<Result<>> handle_link_form(const Services& services, const Exchange& exchange, std::string_view token) {
  if (exchange.body.length().value_or(0) > kMostFormBytes) co_return co_await refuse(exchange, errors::kBadLinkForm);
  const Result<std::optional<std::string>> text = co_await read_small_body(exchange.body);
  if (!text) co_return co_await answer_broken_body(exchange, text.error());
  if (!*text) exchange.response.close_after();
  const std::optional<Form> form = *text ? parse_form(exchange.request, **text) : std::nullopt;
  if (!form) co_return co_await refuse(exchange, errors::kBadLinkForm);

  const auto secret = form->find("token");
  const std::optional<std::string> given =
      secret == form->end() ? std::nullopt : std::optional<std::string>(secret->second);
  if (form->contains("delete")) {
    const std::expected<void, Rejection> removed = co_await remove_link(services, token, given);
    if (!removed) co_return co_await refuse(exchange, removed.error());
    co_return co_await send_empty(exchange, 200);
  }
  const auto expires = form->find("expires");
  if (expires == form->end()) co_return co_await refuse(exchange, errors::kNoAction);
  const std::expected<db::Link, Rejection> link = co_await find_link(services, token);
  if (!link) co_return co_await refuse(exchange, link.error());
  if (!given) co_return co_await refuse(exchange, errors::kNoDeleteToken);
  if (!knows_secret(*link, *given)) co_return co_await refuse(exchange, errors::kForbidden);
  const std::expected<io::EpochMs, Rejection> at = co_await change_expiry(services, *link, expires->second);
  if (!at) co_return co_await refuse(exchange, at.error());
  exchange.response.add_field("X-Expires", std::to_string(*at));
  co_return co_await send_empty(exchange, 200);
}

}  // namespace ringdrop::server
