#include "server/link_page.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "heads.h"
#include "server/preview_bots.h"

namespace ringdrop::server {
namespace {

constexpr std::string_view kBrowser = "text/html,application/xhtml+xml,*/*;q=0.8";
using Fields = std::vector<std::pair<std::string_view, std::string_view>>;

db::Link link_of(std::string type, std::optional<uint64_t> max_downloads = std::nullopt) {
  db::Link link;
  link.content_type = std::move(type);
  link.max_downloads = max_downloads;
  return link;
}

TEST_CASE("who goes to a file that a browser would only save sees its page") {
  const db::Link zip = link_of("application/zip");
  CHECK(wants_link_page(head_with({{"Accept", kBrowser}, {"Sec-Fetch-Mode", "navigate"}}), zip));
  CHECK(wants_link_page(head_with({{"Accept", kBrowser}}), zip));
  CHECK(wants_link_page(head_with({{"Accept", kBrowser}}, "", proto::Method::head), zip));
  CHECK(wants_link_page(head_with({{"Accept", kBrowser}}, "dl=0"), zip));
  CHECK(wants_link_page(head_with({{"Accept", kBrowser}}), link_of("text/html; charset=utf-8")));
  CHECK(wants_link_page(head_with({{"Accept", kBrowser}}), link_of("image/svg+xml")));
}

TEST_CASE("everything else gets the bytes") {
  const db::Link zip = link_of("application/zip");
  CHECK_FALSE(wants_link_page(head_with({}), zip));
  CHECK_FALSE(wants_link_page(head_with({{"Accept", "*/*"}}), zip));
  CHECK_FALSE(wants_link_page(head_with({{"Accept", "text/html, application/json;q=0.1"}}), zip));
  CHECK_FALSE(wants_link_page(head_with({{"Accept", "*/*"}, {"Sec-Fetch-Mode", "navigate"}}), zip));
  CHECK_FALSE(wants_link_page(head_with({{"Accept", kBrowser}, {"Sec-Fetch-Mode", "cors"}}), zip));
  CHECK_FALSE(wants_link_page(head_with({{"Accept", kBrowser}, {"Range", "bytes=5-"}}), zip));
  CHECK_FALSE(wants_link_page(head_with({{"Accept", kBrowser}}, "dl=1"), zip));
  CHECK_FALSE(wants_link_page(head_with({{"Accept", kBrowser}}), link_of("image/png")));
  CHECK_FALSE(wants_link_page(head_with({{"Accept", "*/*"}}, "page=1"), link_of("image/png")));
  CHECK_FALSE(wants_link_page(head_with({{"Accept", "*/*"}, {"User-Agent", "TelegramBot"}}), zip));
}

TEST_CASE("?page=1 asks for the page of what would be displayed") {
  CHECK(wants_link_page(head_with({{"Accept", kBrowser}}, "page=1"), link_of("image/png")));
  CHECK_FALSE(wants_link_page(head_with({{"Accept", kBrowser}}, "page=0"), link_of("image/png")));
}

TEST_CASE("of a limited link who does not click gets the page, whatever else he says") {
  const Fields askers[] = {{{"User-Agent", "TelegramBot (like TwitterBot)"}},
                           {{"User-Agent", "WhatsApp/2.23.20.0"}, {"Range", "bytes=0-"}},
                           {{"Sec-Purpose", "prefetch;prerender"}, {"Accept", kBrowser}},
                           {{"Purpose", "prefetch"}}};
  for (const Fields& fields : askers) {
    CHECK(wants_link_page(head_with(fields), link_of("image/png", 1)));
    CHECK(wants_link_page(head_with(fields, "dl=1"), link_of("application/zip", 3)));
    CHECK_FALSE(wants_link_page(head_with(fields, "dl=1"), link_of("application/zip")));
  }
  CHECK_FALSE(wants_link_page(head_with({{"User-Agent", "curl/8.5.0"}, {"Accept", "*/*"}}), link_of("image/png", 1)));
}

TEST_CASE("preview bots are known by name, people's browsers and tools are none") {
  for (const char* bot :
       {"Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "Mozilla/5.0 (compatible; Discordbot/2.0)",
        "facebookexternalhit/1.1 Facebot Twitterbot/1.0", "LinkedInBot/1.0", "Mozilla/5.0 (compatible; vkShare)",
        "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5", "http.rb/5.1 (Mastodon/4.2.0)",
        "Mozilla/5.0 (compatible; YandexBot/3.0)", "Mozilla/5.0 (compatible; Googlebot/2.1)"}) {
    CAPTURE(bot);
    CHECK(is_preview_bot(bot));
  }
  for (const char* other :
       {"", "curl/7.88.1", "Wget/1.21.3", "aria2/1.36.0", "python-requests/2.28.1",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
        "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/121.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 Version/17.1 Mobile "
        "Safari/604.1"}) {
    CAPTURE(other);
    CHECK_FALSE(is_preview_bot(other));
  }
}

TEST_CASE("a prefetch says so") {
  CHECK(is_prefetch(head_with({{"Sec-Purpose", "prefetch"}})));
  CHECK(is_prefetch(head_with({{"X-Moz", "Prefetch"}})));
  CHECK(is_prefetch(head_with({{"X-Purpose", "preview"}})));
  CHECK_FALSE(is_prefetch(head_with({})));
  CHECK_FALSE(is_prefetch(head_with({{"Purpose", "work"}})));
}

}  // namespace
}  // namespace ringdrop::server
