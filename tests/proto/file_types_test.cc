#include "proto/file_types.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace std::string_literals;

namespace ringdrop::proto {
namespace {

constexpr std::string_view kUnknown = "application/octet-stream";

TEST_CASE("a declared type that says something is kept as it is") {
  for (const std::string_view declared :
       {"text/plain", "text/html; charset=utf-8", "Image/PNG", "application/x-own+json", "text/plain;charset=\"a;b\"",
        "x/y", "application/octet-streams"}) {
    CAPTURE(declared);
    CHECK(stored_media_type(declared, "film.mkv") == declared);
  }
}

TEST_CASE("what says nothing, or is no media type, is replaced by what the name's ending says") {
  const std::string declared[] = {
      "",
      "application/octet-stream",
      "Application/Octet-Stream",
      "application/octet-stream; charset=binary",
      "application/x-www-form-urlencoded",
      "application/x-www-form-urlencoded; charset=utf-8",
      "text",
      "text/",
      "/plain",
      "text/plain, text/html",
      "text/plain; =",
      " text/plain",
      "text /plain",
      "text/plain\r\nSet-Cookie: x",
      "text/plain\0"s,
      "text/plain; a=\"\x7f\"",
      "text/plain; name=\"\t\"",
      "text/plain; name=\"\xc3\xa9\"",
      "text/plain; name=\"\xff\"",
      "text/plain; a=" + std::string(300, 'x'),
  };
  for (const std::string& text : declared) {
    CAPTURE(text);
    CHECK(stored_media_type(text, "film.mp4") == "video/mp4");
    CHECK(stored_media_type(text, "film") == kUnknown);
  }
}

TEST_CASE("a type of 255 bytes is kept, one of 256 is not") {
  const std::string longest = "text/plain; a=" + std::string(255 - 14, 'x');
  CHECK(stored_media_type(longest, "a.png") == longest);
  CHECK(stored_media_type(longest + 'x', "a.png") == "image/png");
}

TEST_CASE("the ending is what follows the last dot, without regard to case") {
  struct Row {
    std::string_view name;
    std::string_view type;
  };
  const Row rows[] = {
      {"a.txt", "text/plain; charset=utf-8"},
      {"A.TXT", "text/plain; charset=utf-8"},
      {"a.JpEg", "image/jpeg"},
      {"photos.tar.gz", "application/gzip"},
      {".png", "image/png"},
      {"7z.7z", "application/x-7z-compressed"},
      {"a.zst", "application/zstd"},
      {"a.m4v", "video/mp4"},
      {"a.html", "text/html; charset=utf-8"},
      {"a.svg", "image/svg+xml"},
      {"\xff\xfe.pdf", "application/pdf"},
      {"", kUnknown},
      {".", kUnknown},
      {"png", kUnknown},
      {"a.", kUnknown},
      {"a.png.", kUnknown},
      {"a.png ", kUnknown},
      {"a.pn", kUnknown},
      {"a.pngg", kUnknown},
      {"a.xhtml", kUnknown},
      {"a.\xff", kUnknown},
      {"a.zzz", kUnknown},
      {"a.000", kUnknown},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CHECK(stored_media_type("", row.name) == row.type);
  }
}

TEST_CASE("only what cannot act as a page is displayed") {
  for (const std::string_view type :
       {"text/plain", "text/plain; charset=utf-8", "TEXT/PLAIN", "image/png", "image/jpeg", "image/gif", "image/webp",
        "image/bmp", "audio/wav", "audio/mpeg", "audio/ogg", "audio/mp4", "video/webm", "audio/webm", "video/ogg",
        "video/mp4", "video/mp4; codecs=\"avc1, mp4a\"", "application/pdf"}) {
    CAPTURE(type);
    CHECK(may_display_inline(type));
  }
  for (const std::string_view type : {"text/html",
                                      "TEXT/HTML",
                                      "text/html; charset=utf-8",
                                      "application/xhtml+xml",
                                      "image/svg+xml",
                                      "text/xml",
                                      "application/xml",
                                      "application/javascript",
                                      "text/javascript",
                                      "text/css",
                                      "text/csv",
                                      "application/json",
                                      "application/octet-stream",
                                      "multipart/x-mixed-replace",
                                      "message/rfc822",
                                      "text/plainx",
                                      "text",
                                      "",
                                      "text/",
                                      "text/plain, text/html",
                                      "text/plain\ttext/html",
                                      "*/*",
                                      "image/*",
                                      "application/x-shockwave-flash"}) {
    CAPTURE(type);
    CHECK_FALSE(may_display_inline(type));
  }
}

TEST_CASE("every type that an ending gives is one that a declared type may be, so that storing it twice is no change") {
  for (const std::string_view ending : {"txt", "md", "html", "csv", "mkv", "opus", "docx", "iso", "deb", "xml"}) {
    CAPTURE(ending);
    const std::string type = stored_media_type("", "a." + std::string(ending));
    CHECK(type != kUnknown);
    CHECK(stored_media_type(type, "a.png") == type);
  }
}

}  // namespace
}  // namespace ringdrop::proto
