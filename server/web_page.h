// What a browser is shown: the page at /, its assets, the page of an upload that is watched, and the page in place of a
// plain 404. The page of a link is link_page's.
#pragma once

#include <string_view>

#include "io/task.h"
#include "proto/http_message.h"
#include "server/config.h"
#include "server/exchange.h"
#include "server/web_assets.h"
#include "server/web_template.h"

namespace ringdrop::server {

// Whether it names text/html: a browser that goes somewhere. `*/*` is curl's.
bool accepts_page(const proto::RequestHead& request);

// Whether somebody goes there in a browser: it accepts pages, and Sec-Fetch-Mode (not every browser sends it
// everywhere) does not say that a page only fetches it. A program that names JSON, too, wants
// that.
bool is_navigation(const proto::RequestHead& request);

// Vary of the pages on a link's route.
inline constexpr std::string_view kLinkPageVary = "Accept, Sec-Fetch-Mode, Accept-Language";

// By Accept-Language (RFC 9110 12.5.4); English when it says nothing of both.
Language language_of(const proto::RequestHead& request);

// The way from this request's path up to where everything is, for relative URLs: "./", "../", ... A prefix that only
// the proxy knows stays what it is.
std::string way_to_root(const proto::RequestHead& request);

// The page, filled with `fields` and the way to the root, with the policy that all pages have. Not to be stored, unless
// `head` has a Cache-Control.
io::Task<io::Result<>> send_page(const Exchange& exchange, WebPage page, PageFields fields, proto::ResponseHead head);

// GET / for a browser.
io::Task<io::Result<>> send_index_page(const Config& config, const Exchange& exchange);
// GET /watch/{id} and /uploads/{id}/progress for a browser.
io::Task<io::Result<>> send_watch_page(const Exchange& exchange);
// 404 for a browser.
io::Task<io::Result<>> send_missing_page(const Exchange& exchange);

// GET /assets/{file}: immutable; 404 for what is none.
io::Task<io::Result<>> send_asset(const Exchange& exchange, std::string_view file);
io::Task<io::Result<>> send_favicon(const Exchange& exchange);

}  // namespace ringdrop::server
