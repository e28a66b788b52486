#include "proto/api_json.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "proto/file_name.h"

using namespace std::string_literals;

namespace ringdrop::proto {
namespace {

constexpr int64_t kTime = 1'795'249'800'000;  // 2026-11-21T08:30:00Z

std::string name_in_json(std::string_view name) {
  UploadedFile file;
  file.name = name;
  const std::string json = format_uploaded_files({file});
  const std::size_t begin = std::string_view(R"({"files":[{"name":")").size();
  return json.substr(begin, json.find(R"(","size")") - begin);
}

}  // namespace

TEST_CASE("the answer to an upload lists its files, keys in the documented order") {
  CHECK(format_uploaded_files({}) == "{\"files\":[]}\n");
  UploadedFile file;
  file.name = "a b.txt";
  file.size_bytes = UINT64_MAX;
  file.url = "https://h/abc/a%20b.txt";
  file.delete_url = "https://h/abc?delete=t";
  file.delete_token = "t";
  CHECK(format_uploaded_files({file}) ==
        R"({"files":[{"name":"a b.txt","size":18446744073709551615,"url":"https://h/abc/a%20b.txt",)"
        R"("delete_url":"https://h/abc?delete=t","delete_token":"t","expires_at":null,"digest":null}]})"
        "\n");
  file.size_bytes = 0;
  file.expires_at_ms = kTime + 999;
  file.digests = {{DigestAlgorithm::sha256, "\x01\xff"}, {DigestAlgorithm::sha512, "\xab"}};
  CHECK(format_uploaded_files({file, UploadedFile{}}) ==
        R"({"files":[{"name":"a b.txt","size":0,"url":"https://h/abc/a%20b.txt","delete_url":"https://h/abc?delete=t",)"
        R"("delete_token":"t","expires_at":"2026-11-21T08:30:00Z","digest":{"sha-256":"01ff","sha-512":"ab"}},)"
        R"({"name":"","size":0,"url":"","delete_url":"","delete_token":"","expires_at":null,"digest":null}]})"
        "\n");
}

TEST_CASE("a link shows what is known of it") {
  LinkView link;
  link.name = "a";
  link.size_bytes = 5;
  link.content_type = "text/plain";
  link.created_at_ms = kTime;
  CHECK(format_link(link) ==
        R"({"name":"a","size":5,"content_type":"text/plain","digest":null,"created_at":"2026-11-21T08:30:00Z",)"
        R"("expires_at":null,"downloads":0,"downloads_left":null})"
        "\n");
  link.digests = {{DigestAlgorithm::sha256, "\x10"}};
  link.expires_at_ms = kTime + 86'400'000;
  link.downloads = 2;
  link.downloads_left = 0;
  CHECK(format_link(link) ==
        R"({"name":"a","size":5,"content_type":"text/plain","digest":{"sha-256":"10"},)"
        R"("created_at":"2026-11-21T08:30:00Z","expires_at":"2026-11-22T08:30:00Z","downloads":2,"downloads_left":0})"
        "\n");
}

TEST_CASE("a problem is that of RFC 9457, with a code for programs") {
  CHECK(format_problem({.status = 404, .code = "not_found", .detail = "there is no such file"}) ==
        R"({"type":"about:blank","title":"Not Found","status":404,"detail":"there is no such file",)"
        R"("code":"not_found","server":"ringdrop"})"
        "\n");
  CHECK(format_problem({.status = 409, .code = "c", .detail = "d", .type = "urn:x", .numbers = {{"at", 5}}}) ==
        R"({"type":"urn:x","title":"Conflict","status":409,"detail":"d","code":"c","server":"ringdrop","at":5})"
        "\n");
  CHECK(format_problem({.status = 599, .code = {}, .detail = {}, .type = "urn:x"}) ==
        R"({"type":"urn:x","title":"","status":599,"detail":"","code":"","server":"ringdrop"})"
        "\n");
}

TEST_CASE("an upload is seen with what is known of it") {
  CHECK(format_upload({.id = "i",
                       .watch = "w",
                       .state = "paused",
                       .bytes_stored = 5,
                       .bytes_total = {},
                       .url = {},
                       .digests = {}}) ==
        R"({"id":"i","watch":"w","state":"paused","bytes_stored":5,"bytes_total":null,)"
        R"("started_at":"1970-01-01T00:00:00Z"})"
        "\n");
  UploadView view{.id = "i", .watch = "w", .state = "complete", .bytes_total = 7, .url = "http://h/t", .digests = {}};
  const std::string known = R"({"id":"i","watch":"w","state":"complete","bytes_stored":0,"bytes_total":7,)"
                            R"("started_at":"1970-01-01T00:00:00Z","url":"http://h/t",)";
  CHECK(format_upload(view) == known + "\"digest\":null}\n");
  view.digests.push_back({DigestAlgorithm::sha256, std::string("\x0f\xf0", 2)});
  CHECK(format_upload(view) == known + R"("digest":{"sha-256":"0ff0"}})" + "\n");
}

TEST_CASE("a progress message is one line") {
  CHECK(format_progress(
            {.watch = "w", .state = "receiving", .bytes_stored = 1, .bytes_total = 4, .rate = 1.5, .eta = 2.0}) ==
        R"({"watch":"w","state":"receiving","bytes_stored":1,"bytes_total":4,"rate":1.5,"eta":2.0})");
  CHECK(format_progress({.watch = "w", .state = "failed", .bytes_total = {}, .rate = {}, .eta = {}, .reason = "r"}) ==
        R"({"watch":"w","state":"failed","bytes_stored":0,"bytes_total":null,"rate":null,"eta":null,"reason":"r"})");
}

TEST_CASE("any bytes of a name become valid JSON") {
  CHECK(name_in_json("\"\\/\b\f\n\r\t\x01\x7f\0x"s) == "\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\x7f\\u0000x");
  CHECK(name_in_json("\xc3\xa9\xf0\x9f\x98\x80") == "\xc3\xa9\xf0\x9f\x98\x80");
  CHECK(name_in_json("a\xff") == "a\xef\xbf\xbd");
}

TEST_CASE("what is no UTF-8 is replaced as in the headers of a download") {
  for (const std::string_view name :
       {"\xff", "\xff\xfe", "a\xc3", "a\xc3z", "\xc3\xc3\xa9", "\xe2\x82", "\xe2\x82z", "\xe2z\x82", "\xf0\x9f\x98",
        "\xf0\x9f\x98\xf0\x9f\x98\x80", "\xed\xa0\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xf4\x90\x80\x80", "\xf5\x80",
        "\x80\x80", "\xe2\xe2\x82\xac", "\xf0\xe2\x82\xac"}) {
    CHECK(name_in_json(name) == utf8_file_name(name));
  }
}

TEST_CASE("times are RFC 3339 in UTC, milliseconds left out") {
  CHECK(format_rfc3339(0) == "1970-01-01T00:00:00Z");
  CHECK(format_rfc3339(kTime) == "2026-11-21T08:30:00Z");
  CHECK(format_rfc3339(999) == "1970-01-01T00:00:00Z");
  CHECK(format_rfc3339(-1) == "1969-12-31T23:59:59Z");
  CHECK(format_rfc3339(1'709'251'199'000) == "2024-02-29T23:59:59Z");
}

TEST_CASE("a time beyond what four digits of a year can say is the last or the first of these") {
  CHECK(format_rfc3339(253'402'300'799'999) == "9999-12-31T23:59:59Z");
  CHECK(format_rfc3339(253'402'300'800'000) == "9999-12-31T23:59:59Z");
  CHECK(format_rfc3339(std::numeric_limits<int64_t>::max()) == "9999-12-31T23:59:59Z");
  CHECK(format_rfc3339(std::numeric_limits<int64_t>::min()) == "0001-01-01T00:00:00Z");
}

TEST_CASE("what is remembered of an upload is read back as it was") {
  SavedUpload upload;
  upload.server = "https://example.org/";
  upload.path = "/home/\xff\n\"x";  // no UTF-8
  upload.size_bytes = 1ULL << 62U;
  upload.modified_ns = -1;
  upload.protocol = "ietf";
  upload.location = "/uploads/x";
  const std::string text = format_saved_upload(upload);
  CHECK(parse_saved_upload(text) == upload);
  // A torn file is none, wherever it ends.
  for (std::size_t length = 0; length + 2 < text.size(); ++length) {
    CHECK(parse_saved_upload(text.substr(0, length)) == std::nullopt);
  }
  for (const char* other : {"[]", "null", "7", "{\"server\":7}", "{\"server\":\"x\"}"}) {
    CHECK(parse_saved_upload(other) == std::nullopt);
  }
}

TEST_CASE("an answer's file and a problem's words are found") {
  const auto file = parse_uploaded_file(R"({"files":[{"name":"a","size":7,"url":"http://h/x"},{"size":8}]})");
  REQUIRE(file.has_value());
  CHECK(file->name == "a");
  CHECK(file->size_bytes == 7);
  CHECK(file->url == "http://h/x");
  for (const char* other : {"", "http://h/x\n", "{}", R"({"files":[]})", R"({"files":[{"size":-1,"url":"x"}]})",
                            R"({"files":{"size":1}})", R"({"files":[{"size":1}]})"}) {
    CHECK_FALSE(parse_uploaded_file(other).has_value());
  }
  CHECK(parse_problem_detail(R"({"title":"T","detail":"D"})") == "D");
  CHECK(parse_problem_detail(R"({"title":"T"})") == "T");
  CHECK(parse_problem_detail(R"({"title":1})") == std::nullopt);
  CHECK(parse_problem_detail("<html>") == std::nullopt);
}

}  // namespace ringdrop::proto
