#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <string_view>

#include "proto/content_disposition.h"

namespace ringdrop::proto {
namespace {

struct Row {
  std::string_view field;
  std::optional<std::string_view> name;  // nullopt: refused
};

template <std::size_t N>
void check_rows(const Row (&rows)[N]) {
  for (const Row& row : rows) {
    CAPTURE(row.field);
    const std::optional<std::string> name = disposition_file_name(row.field);
    REQUIRE(name.has_value() == row.name.has_value());
    if (name) CHECK(*name == *row.name);
  }
}

TEST_CASE("a client's Content-Disposition names the file, whatever its type") {
  const Row rows[] = {
      {"attachment; filename=\"a b.txt\"", "a b.txt"},
      {"attachment; filename=a.txt", "a.txt"},
      {"inline;filename=a.txt", "a.txt"},
      {"form-data; name=\"x\"; filename=\"y\"", "y"},
      {"own-type; FILENAME=\"a\"", "a"},
      {"attachment; x=y; filename=\"a\"; size=3", "a"},
      {"attachment ; filename=\"a\" ;", "a"},
      {"attachment; filename=\"a\\\"b\\\\c\"", "a\"b\\c"},
      {"attachment; filename=\"a\xff\"", "a\xff"},
      {"attachment; filename=\"\"", ""},
  };
  check_rows(rows);
}

TEST_CASE("without a file name it is empty") {
  const Row rows[] = {
      {"attachment", ""},
      {"attachment;", ""},
      {"attachment; name=\"a\"", ""},
      {"inline; size=3", ""},
  };
  check_rows(rows);
}

TEST_CASE("filename* wins, wherever it stands, in the two charsets of RFC 8187") {
  const Row rows[] = {
      {"attachment; filename=\"plain\"; filename*=UTF-8''%E2%82%AC%20rates", "\xe2\x82\xac rates"},
      {"attachment; filename*=utf-8'en'a%2Bb; filename=\"plain\"", "a+b"},
      {"attachment; FileName*=ISO-8859-1''%A3%20rates", "\xc2\xa3 rates"},
      {"attachment; filename*=UTF-8''a", "a"},
      {"attachment; filename*=UTF-8''", ""},
  };
  check_rows(rows);
}

TEST_CASE("of a path the last segment is the name") {
  const Row rows[] = {
      {"attachment; filename=\"/etc/passwd\"", "passwd"},
      {"attachment; filename=\"../../x\"", "x"},
      {"attachment; filename*=UTF-8''..%2Fx", "x"},
      {"attachment; filename=\"a/\"", ""},
      {"attachment; filename=\"C:\\\\dir\\\\a.txt\"", "a.txt"},
      {"attachment; filename=\"a\\b\"", "a\\b"},
  };
  check_rows(rows);
}

TEST_CASE("what cannot be parsed is refused, not guessed") {
  const Row rows[] = {
      {"", std::nullopt},
      {"; filename=\"a\"", std::nullopt},
      {"=a", std::nullopt},
      {"attachment filename=\"a\"", std::nullopt},
      {"attachment, filename=\"a\"", std::nullopt},
      {"attachment; filename", std::nullopt},
      {"attachment; filename=", std::nullopt},
      {"attachment; filename =\"a\"", std::nullopt},
      {"attachment; filename= \"a\"", std::nullopt},
      {"attachment; filename=\"a", std::nullopt},
      {"attachment; filename=\"a\\\"", std::nullopt},
      {"attachment; filename=\"a\"b", std::nullopt},
      {"attachment; filename=a b", std::nullopt},
      {"attachment; filename=a; filename=b", std::nullopt},
      {"attachment; filename=a; Filename=a", std::nullopt},
      {"attachment; filename=a; filename*=UTF-8''%", std::nullopt},
      {"attachment; filename*=UTF-8''%ff", std::nullopt},
      {"attachment; filename*=UTF-8''%zz", std::nullopt},
      {"attachment; filename*=UTF-16''a", std::nullopt},
      {"attachment; filename*=a", std::nullopt},
      {"attachment; filename*=UTF-8'a", std::nullopt},
      {"attachment; filename*=\"UTF-8''a\"", std::nullopt},
      {"attachment; filename*=UTF-8''a*b", std::nullopt},
  };
  check_rows(rows);
}

TEST_CASE("what we send as a download's Content-Disposition gives the name back") {
  for (const std::string_view name :
       {"a.txt", "a b", "\"", "\\", "100%41", "\xe2\x82\xac", "it's; a=b, c", "a\tb\r\n", "C:\\CON", "x*y"}) {
    CAPTURE(name);
    const std::optional<std::string> back =
        disposition_file_name(format_content_disposition(Disposition::attachment, name));
    REQUIRE(back.has_value());
    // On the way in, a path's directories go.
    CHECK(*back == (name == "C:\\CON" ? "CON" : name));
  }
}

}  // namespace
}  // namespace ringdrop::proto
