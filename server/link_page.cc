#include "server/link_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "proto/api_json.h"
#include "proto/digest.h"
#include "proto/file_types.h"
#include "proto/uri.h"
#include "server/download_plan.h"
#include "server/page_text.h"
#include "server/preview_bots.h"
#include "server/web_page.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;

bool asks_for_page(const proto::RequestHead& request) {
  const auto parameters = proto::parse_query(request.query);
  if (!parameters) return false;
  return std::ranges::any_of(*parameters, [](const auto& one) { return one.first == "page" && one.second != "0"; });
}

// The bytes that an element of the page may show. Of a limited link that would take a download.
void add_preview(PageFields& fields, const proto::RequestHead& request, const db::Link& link) {
  if (link.max_downloads || !proto::may_display_inline(link.content_type)) return;
  for (const std::string_view kind : {"image", "video", "audio"}) {
    if (link.content_type.starts_with(std::string(kind) + '/')) fields[kind] = "1";
  }
  fields["source"] = fmt::format("./{}", proto::path_segments(request.path).back());
}

PageFields describe(const proto::RequestHead& request, const db::Link& link) {
  PageFields fields;
  fields["name"] = link.name;
  if (link.name.empty()) fields["nameless"] = "1";
  fields["size"] = describe_size(link.size_bytes, language_of(request));
  fields["type"] = link.content_type;
  if (link.expires_at_ms) {
    const std::string iso = proto::format_rfc3339(*link.expires_at_ms);
    const std::size_t day_end = iso.find('T');
    fields["ends_iso"] = iso;
    fields["ends"] = fmt::format("{} {} UTC", iso.substr(0, day_end), iso.substr(day_end + 1, 5));
  }
  if (link.max_downloads) {
    fields["left"] = std::to_string(*link.max_downloads - std::min(*link.max_downloads, link.downloads));
  }
  if (!link.sha256.empty()) fields["digest"] = proto::to_hex(link.sha256);
  add_preview(fields, request, link);
  return fields;
}

}  // namespace

bool wants_link_page(const proto::RequestHead& request, const db::Link& link) {
  const auto nobody_clicked = [&] {
    return is_prefetch(request) || is_preview_bot(request.fields.find("User-Agent").value_or(std::string_view()));
  };
  if (link.max_downloads && nobody_clicked()) return true;
  if (!is_navigation(request) || asks_for_attachment(request) || request.fields.find("Range")) return false;
  return asks_for_page(request) || !proto::may_display_inline(link.content_type);
}

Task<Result<>> send_link_page(const Exchange& exchange, const db::Link& link) {
  PageFields fields = describe(exchange.request, link);
  proto::ResponseHead head;
  head.fields.add("Vary", kLinkPageVary);
  co_return co_await send_page(exchange, WebPage::link, std::move(fields), std::move(head));
}

}  // namespace ringdrop::server
