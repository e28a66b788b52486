#include "server/web_page.h"

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "heads.h"

namespace ringdrop::server {
namespace {

constexpr std::array kPages{WebPage::index, WebPage::link, WebPage::missing, WebPage::watch};

TEST_CASE("a browser gets pages, and curl does not") {
  CHECK(accepts_page(head_with({{"Accept", "text/html,application/xhtml+xml,*/*;q=0.8"}})));
  CHECK_FALSE(accepts_page(head_with({{"Accept", "*/*"}})));
  CHECK_FALSE(accepts_page(head_with({{"Accept", "text/*"}})));
  CHECK_FALSE(accepts_page(head_with({{"Accept", "text/html;q=0, */*"}})));
  CHECK_FALSE(accepts_page(head_with({})));
}

TEST_CASE("the language is the one that the browser likes better, else English") {
  const auto language = [](std::string_view field) { return language_of(head_with({{"Accept-Language", field}})); };
  CHECK(language("ru-RU,ru;q=0.9,en;q=0.8") == Language::ru);
  CHECK(language("RU") == Language::ru);
  CHECK(language("de, ru;q=0.5") == Language::ru);
  CHECK(language("en-GB, ru;q=0.9") == Language::en);
  CHECK(language("ru;q=0.2, en;q=0.3") == Language::en);
  CHECK(language("ru;q=0") == Language::en);
  CHECK(language("ru;q=x") == Language::en);
  CHECK(language("rue, *") == Language::en);
  CHECK(language(",;q=,, ;") == Language::en);
  CHECK(language_of(head_with({})) == Language::en);
}

TEST_CASE("the way to the root goes up as far as the path goes down") {
  const auto way = [](std::string path) {
    proto::RequestHead head;
    head.path = std::move(path);
    return way_to_root(head);
  };
  CHECK(way("/") == "./");
  CHECK(way("/0123456789abcdefABCDEF") == "./");
  CHECK(way("/0123456789abcdefABCDEF/name") == "./../");
  CHECK(way("/uploads/x/progress") == "./../../");
}

TEST_CASE("no page has a script or a style of its own, or names another host") {
  for (const WebPage page : kPages) {
    for (const Language language : {Language::en, Language::ru}) {
      const std::string text(web_page(page, language));
      CAPTURE(text.substr(0, 200));
      CHECK(text.starts_with("<!doctype html>"));
      CHECK(text.find("{{") == text.npos);
      CHECK(text.find("<style") == text.npos);
      CHECK(text.find("style=") == text.npos);
      CHECK(text.find(" onclick") == text.npos);
      CHECK(text.find("http:") == text.npos);
      CHECK(text.find("https:") == text.npos);
      for (std::size_t at = text.find("<script"); at != text.npos; at = text.find("<script", at + 1)) {
        CHECK(text.substr(at).starts_with("<script type=\"module\" src=\"[[root]]assets/"));
      }
    }
  }
  CHECK(web_page(WebPage::index, Language::ru).find("lang=\"ru\"") != std::string_view::npos);
  CHECK(web_page(WebPage::index, Language::en).find("lang=\"en\"") != std::string_view::npos);
}

TEST_CASE("what pages and scripts name is there under the name with its hash") {
  const auto is_there = [](std::string_view name) {
    for (const WebAsset& asset : web_assets()) {
      if (asset.name == name) return true;
    }
    return false;
  };
  const auto check_names_in = [&](std::string_view text, std::string_view before, std::string_view quote) {
    for (std::size_t at = text.find(before); at != text.npos; at = text.find(before, at + 1)) {
      const std::size_t from = at + before.size();
      const std::string name(text.substr(from, text.find(quote, from) - from));
      CAPTURE(name);
      CHECK(is_there(name));
    }
  };
  for (const WebPage page : kPages) check_names_in(web_page(page, Language::en), "[[root]]assets/", "\"");
  for (const WebAsset& asset : web_assets()) {
    check_names_in(asset.bytes, "from './", "'");
    check_names_in(asset.bytes, "import('./", "'");
    CHECK(std::string(asset.name).find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.") == std::string::npos);
  }
}

TEST_CASE("both languages have all the words that the scripts say") {
  for (const WebAsset& asset : web_assets()) {
    if (!asset.name.starts_with("text.")) continue;
    const std::string text(asset.bytes);
    CHECK(text.find("'{{") == text.npos);
    for (const std::string key : {"queued", "lost", "announce_done", "why_storage_full", "state_complete", "open"}) {
      const std::size_t first = text.find('"' + key + '"');
      REQUIRE(first != text.npos);
      CHECK(text.find('"' + key + '"', first + 1) != text.npos);
    }
  }
}

}  // namespace
}  // namespace ringdrop::server
