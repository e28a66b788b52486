#include "server/web_template.h"

#include <doctest/doctest.h>

#include <string>

namespace ringdrop::server {
namespace {

TEST_CASE("what a stranger has named cannot become markup") {
  CHECK(escape_html("plain name.txt") == "plain name.txt");
  CHECK(escape_html("<script>&\"'") == "&lt;script&gt;&amp;&quot;&#39;");
  CHECK(escape_html("Отчёт") == "Отчёт");
  CHECK(escape_html("a\xFFz") == "a\xEF\xBF\xBDz");
  CHECK(escape_html(std::string("a\0z\x1B", 4)) == "a\xEF\xBF\xBDz\xEF\xBF\xBD");
  CHECK(escape_html("two\nlines\t") == "two\nlines\t");
}

TEST_CASE("of all bytes none gets through that opens a tag, an entity or ends an attribute") {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string escaped = escape_html(std::string(1, static_cast<char>(byte)));
    CHECK(escaped.find_first_of("<>\"'") == std::string::npos);
    CHECK((escaped.find('&') == std::string::npos || escaped.ends_with(';')));
  }
}

TEST_CASE("fields are filled escaped, and what they hold is not filled once more") {
  const PageFields fields{{"name", "<b>[[size]]"}, {"size", "3"}};
  CHECK(fill_page("<i>[[name]]</i> [[size]] [[none]].", fields) == "<i>&lt;b&gt;[[size]]</i> 3 .");
  CHECK(fill_page("no fields", fields) == "no fields");
  CHECK(fill_page("open [[name", fields) == "open [[name");
}

TEST_CASE("a section is there when its field is") {
  const PageFields fields{{"left", "2"}, {"ends", ""}};
  CHECK(fill_page("a[[?left]] left [[left]][[/left]] b", fields) == "a left 2 b");
  CHECK(fill_page("a[[?ends]] ends [[ends]][[/ends]] b", fields) == "a b");
  CHECK(fill_page("a[[?none]] [[left]][[/none]]b", fields) == "ab");
}

}  // namespace
}  // namespace ringdrop::server
