#include "proto/multipart.h"

#include <doctest/doctest.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using namespace std::string_literals;
using namespace std::string_view_literals;

namespace ringdrop::proto {
namespace {

struct Part {
  std::string name;
  std::optional<std::string> file_name;
  std::string content_type;
  std::string content;
  bool whole = true;

  bool operator==(const Part&) const = default;
};

// What a parser made of a body, as values that can be compared.
struct Outcome {
  std::vector<Part> parts;
  std::string refused;  // "400 bad_multipart", empty when nothing was
  std::string reason;
  bool ended = false;  // as ended() says
  std::size_t end_events = 0;

  bool operator==(const Outcome&) const = default;
};

// Feeds one piece until need_more. Returns whether it goes on.
bool feed(MultipartParser& parser, std::string_view piece, Outcome& outcome) {
  using Event = MultipartParser::Event;
  while (true) {
    const auto step = parser.step(as_bytes(piece));
    if (!step) {
      outcome.refused = std::to_string(step.error().status) + " " + step.error().code;
      outcome.reason = step.error().reason;
      CHECK_FALSE(parser.step({}));  // final
      return false;
    }
    REQUIRE(step->consumed <= piece.size());
    piece.remove_prefix(step->consumed);
    CHECK(step->content.empty() == (step->event != Event::content));
    switch (step->event) {
      case Event::need_more:
        CHECK(piece.empty());
        return true;
      case Event::part_begins: {
        const PartHead& head = parser.part();
        outcome.parts.push_back(Part{head.name, head.file_name, head.content_type, "", false});
        break;
      }
      case Event::content:
        outcome.parts.back().content += as_text(step->content);
        break;
      case Event::part_ends:
        outcome.parts.back().whole = true;
        break;
      case Event::ended:
        CHECK(parser.ended());
        ++outcome.end_events;
        break;
    }
  }
}

Outcome run_cut(std::string_view boundary, std::string_view body, std::span<const std::size_t> cuts,
                MultipartLimits limits) {
  MultipartParser parser{std::string(boundary), limits};
  Outcome outcome;
  std::size_t from = 0;
  bool goes_on = true;
  for (const std::size_t cut : cuts) {
    goes_on = goes_on && feed(parser, body.substr(from, cut - from), outcome);
    from = cut;
  }
  if (goes_on) feed(parser, body.substr(from), outcome);
  outcome.ended = parser.ended();
  CHECK(outcome.end_events == (outcome.ended ? 1 : 0));
  return outcome;
}

// The outcome of the body as a whole, after a CHECK that every split of it in two, and byte by byte, has the same. Long
// bodies are cut at every 97th position only.
Outcome run(std::string_view boundary, std::string_view body, MultipartLimits limits = {}) {
  const Outcome whole = run_cut(boundary, body, {}, limits);
  INFO("body: ", std::string(body.substr(0, 1024)));
  INFO("as a whole: ", whole.refused, " ", whole.reason, ", parts: ", whole.parts.size());
  std::vector<std::size_t> everywhere(body.size());
  for (std::size_t i = 0; i < everywhere.size(); ++i) everywhere[i] = i;
  CHECK(run_cut(boundary, body, everywhere, limits) == whole);
  const std::size_t stride = body.size() > 2048 ? 97 : 1;
  for (std::size_t cut = 0; cut <= body.size(); cut += stride) {
    INFO("cut at ", cut);
    CHECK(run_cut(boundary, body, std::vector<std::size_t>{cut}, limits) == whole);
  }
  return whole;
}

void check_parts(std::string_view boundary, std::string_view body, const std::vector<Part>& parts) {
  const Outcome outcome = run(boundary, body);
  CAPTURE(std::string(body.substr(0, 1024)));
  CAPTURE(outcome.reason);
  CHECK(outcome.refused == "");
  CHECK(outcome.ended);
  REQUIRE(outcome.parts.size() == parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    CHECK(outcome.parts[i].name == parts[i].name);
    CHECK(outcome.parts[i].file_name == parts[i].file_name);
    CHECK(outcome.parts[i].content_type == parts[i].content_type);
    CHECK(outcome.parts[i].content == parts[i].content);
    CHECK(outcome.parts[i].whole);
  }
}

// A body of one part, boundary "b".
std::string body_of(std::string_view head, std::string_view content = "x") {
  return "--b\r\n" + std::string(head) + "\r\n\r\n" + std::string(content) + "\r\n--b--\r\n";
}

void check_refused(std::string_view body, std::string_view answer = "400 bad_multipart", MultipartLimits limits = {}) {
  const Outcome outcome = run("b", body, limits);
  CAPTURE(std::string(body.substr(0, 1024)));
  CHECK(outcome.refused == answer);
  CHECK_FALSE(outcome.reason.empty());
  CHECK_FALSE(outcome.reason.ends_with('.'));
}

std::string plain_part(std::string_view name) {
  return "Content-Disposition: form-data; name=" + std::string(name);
}

// The one part of a body with that Content-Disposition behind "form-data; ".
Part part_of(std::string_view parameters) {
  const Outcome outcome = run("b", body_of("Content-Disposition: form-data; " + std::string(parameters)));
  CAPTURE(std::string(parameters));
  CAPTURE(outcome.reason);
  REQUIRE(outcome.parts.size() == 1);
  return outcome.parts.front();
}

std::string file_name_of(std::string_view parameter) {
  return part_of("name=f; " + std::string(parameter)).file_name.value_or("(none)");
}

}  // namespace

TEST_CASE("a boundary is 1 to 70 characters of RFC 2046, not ending in a space") {
  for (const std::string_view valid : {"b", "----WebKitFormBoundary7MA4YWxkTrZu0gW", "a b", "'()+_,-./:=?", "0"}) {
    CHECK(is_valid_boundary(valid));
  }
  CHECK(is_valid_boundary(std::string(70, 'x')));
  for (const std::string_view invalid :
       {""sv, " "sv, "b "sv, "a\r"sv, "a\n"sv, "a\tb"sv, "a\"b"sv, "a;b"sv, "a@b"sv, "a*b"sv, "\xc3\xa9"sv, "a\0"sv}) {
    CHECK_FALSE(is_valid_boundary(invalid));
  }
  CHECK_FALSE(is_valid_boundary(std::string(71, 'x')));
}

TEST_CASE("a parser that is given an invalid boundary refuses everything") {
  for (const std::string_view boundary : {"", "a\r\nb", "b "}) {
    MultipartParser parser{std::string(boundary)};
    const auto step = parser.step(as_bytes("--" + std::string(boundary)));
    REQUIRE_FALSE(step);
    CHECK(step.error().status == 400);
  }
}

TEST_CASE("what curl -F sends is parsed") {
  const std::string_view boundary = "------------------------900fe26c5b8df412";
  check_parts(boundary,
              "--------------------------900fe26c5b8df412\r\n"
              "Content-Disposition: form-data; name=\"file\"; filename=\"a %22b%22.txt\"\r\n"
              "Content-Type: text/plain\r\n\r\nhello\r\n"
              "--------------------------900fe26c5b8df412\r\n"
              "Content-Disposition: form-data; name=\"k\"\r\n\r\nv\r\n"
              "--------------------------900fe26c5b8df412\r\n"
              "Content-Disposition: form-data; name=\"u\"; filename=\"\xc3\xbc.txt\"\r\n"
              "Content-Type: text/plain\r\n\r\nu\r\n"
              "--------------------------900fe26c5b8df412\r\n"
              "Content-Disposition: form-data; name=\"b\"; filename=\"back\\slash.txt\"\r\n"
              "Content-Type: text/plain\r\n\r\nz\r\n"
              "--------------------------900fe26c5b8df412--\r\n",
              {{"file", "a \"b\".txt", "text/plain", "hello"},
               {"k", std::nullopt, "", "v"},
               {"u", "\xc3\xbc.txt", "text/plain", "u"},
               {"b", "back\\slash.txt", "text/plain", "z"}});
  // Before 7.81, or with --form-escape.
  check_parts(boundary,
              "--------------------------900fe26c5b8df412\r\n"
              "Content-Disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\" \\\\.txt\"\r\n"
              "Content-Type: application/octet-stream\r\n\r\n\r\n\r\n\r\n"
              "--------------------------900fe26c5b8df412--\r\n",
              {{"file", "a \"b\" \\.txt", "application/octet-stream", "\r\n\r\n"}});
}

TEST_CASE("what Chrome and Safari send is parsed") {
  check_parts("----WebKitFormBoundary7MA4YWxkTrZu0gW",
              "------WebKitFormBoundary7MA4YWxkTrZu0gW\r\n"
              "Content-Disposition: form-data; name=\"file\"; filename=\"dir/sub/r\xc3\xa9sum\xc3\xa9 %22\\\".pdf\"\r\n"
              "Content-Type: application/pdf\r\n\r\n%PDF\r\n"
              "------WebKitFormBoundary7MA4YWxkTrZu0gW\r\n"
              "Content-Disposition: form-data; name=\"empty\"; filename=\"\"\r\n"
              "Content-Type: application/octet-stream\r\n\r\n\r\n"
              "------WebKitFormBoundary7MA4YWxkTrZu0gW--\r\n",
              {{"file", "r\xc3\xa9sum\xc3\xa9 \"\".pdf", "application/pdf", "%PDF"},
               {"empty", "", "application/octet-stream", ""}});
  check_parts("----WebKitFormBoundary7MA4YWxkTrZu0gW", "------WebKitFormBoundary7MA4YWxkTrZu0gW--\r\n", {});
}

TEST_CASE("what Firefox sends is parsed") {
  check_parts(
      "---------------------------9051914041544843365972754266",
      "-----------------------------9051914041544843365972754266\r\n"
      "Content-Disposition: form-data; name=\"text\"\r\n\r\ntext default\r\n"
      "-----------------------------9051914041544843365972754266\r\n"
      "Content-Disposition: form-data; name=\"fi%22le%0D%0A\"; filename=\"a.txt\"\r\n"
      "Content-Type: text/plain\r\n\r\nContent of a.txt.\n\r\n"
      "-----------------------------9051914041544843365972754266--\r\n",
      {{"text", std::nullopt, "", "text default"}, {"fi\"le\r\n", "a.txt", "text/plain", "Content of a.txt.\n"}});
}

TEST_CASE("what python requests sends is parsed, with an old urllib3 too") {
  check_parts("b3068486a82df267a7c1d45ca3695866",
              "--b3068486a82df267a7c1d45ca3695866\r\n"
              "Content-Disposition: form-data; name=\"k\"\r\n\r\nv\r\n"
              "--b3068486a82df267a7c1d45ca3695866\r\n"
              "Content-Disposition: form-data; name=\"f\"; filename=\"\xc3\xbc.txt\"\r\n\r\nu\r\n"
              "--b3068486a82df267a7c1d45ca3695866\r\n"
              "Content-Disposition: form-data; name=\"g%22\"; filename=\"q%22%0D%0A\\x.txt\"\r\n"
              "Content-Type: text/plain\r\n\r\nd\r\n"
              "--b3068486a82df267a7c1d45ca3695866\r\n"
              "Content-Disposition: form-data; name=\"h\"; filename*=utf-8''%C3%BC.txt\r\n\r\ne\r\n"
              "--b3068486a82df267a7c1d45ca3695866--\r\n",
              {{"k", std::nullopt, "", "v"},
               {"f", "\xc3\xbc.txt", "", "u"},
               {"g\"", "q\"\r\n\\x.txt", "text/plain", "d"},
               {"h", "\xc3\xbc.txt", "", "e"}});
}

TEST_CASE("what aiohttp sends is parsed: Content-Type first, extended names") {
  check_parts("0d5d5a1c1b2c4c0d9d9c4b1a7f7e6f5a",
              "--0d5d5a1c1b2c4c0d9d9c4b1a7f7e6f5a\r\n"
              "Content-Type: application/octet-stream\r\n"
              "Content-Disposition: form-data; name=\"file\"; filename=\"a.bin\"; filename*=utf-8''%C3%A9.bin\r\n\r\n"
              "data\r\n"
              "--0d5d5a1c1b2c4c0d9d9c4b1a7f7e6f5a\r\n"
              "Content-Type: text/plain; charset=utf-8\r\n"
              "Content-Disposition: form-data; name*=utf-8''%C3%A9\r\n\r\nv\r\n"
              "--0d5d5a1c1b2c4c0d9d9c4b1a7f7e6f5a--\r\n",
              {{"file", "\xc3\xa9.bin", "application/octet-stream", "data"},
               {"\xc3\xa9", std::nullopt, "text/plain; charset=utf-8", "v"}});
}

TEST_CASE("preamble, epilogue and the padding of delimiters are skipped") {
  const std::vector<Part> parts = {{"a", std::nullopt, "", "x"}};
  const std::string part = plain_part("a") + "\r\n\r\nx";
  check_parts("b", "--b\r\n" + part + "\r\n--b--", parts);
  check_parts("b", "--b\r\n" + part + "\r\n--b--\r\n--b\r\n" + part + "\r\n--b--", parts);
  check_parts("b", "--b\r\n" + part + "\r\n--b-- \t\r\nepilogue", parts);
  check_parts("b", "\r\n--b\r\n" + part + "\r\n--b--\r\n", parts);
  check_parts("b", "preamble\r\nb\r\n-b --b\r\n--bb\r\n\r\r\n--b\r\n" + part + "\r\n--b--", parts);
  check_parts("b", "--b \t \r\n" + part + "\r\n--b\t\r\n" + part + "\r\n--b--", {parts[0], parts[0]});
  check_parts("b", "--b" + std::string(64, ' ') + "\r\n" + part + "\r\n--b--", parts);
}

TEST_CASE("what only looks like a delimiter is content") {
  for (const std::string_view content : {"--b"sv,
                                         "-"sv,
                                         "x--b--"sv,
                                         "\r"sv,
                                         "\n"sv,
                                         "\r\n"sv,
                                         "\r\r\n"sv,
                                         "\n--b--"sv,
                                         "\r--b--"sv,
                                         "\r\n-b--"sv,
                                         "\r\n--"sv,
                                         "\r\n--\r\n"sv,
                                         "\r\n--bX"sv,
                                         "\r\n--b-"sv,
                                         "\r\n--b-X"sv,
                                         "\r\n--b X"sv,
                                         "\r\n--b \r"sv,
                                         "\r\n--b\r"sv,
                                         "\r\n--b\rX"sv,
                                         "\r\n--b\n"sv,
                                         "\r\n--b --"sv,
                                         "\r\n--b -"sv,
                                         "\r\n--B--"sv,
                                         "\r\n--\0b"sv,
                                         "\0\0\xff\r"sv,
                                         "\r\n--b\r\r"sv,
                                         "\r\n--bX\r\n--bY\r\n--b Z"sv,
                                         "\r\n\r\n--bb--b\r\n-"sv,
                                         "\r\r\r\n\r\n\r\n-\r\n--\r\n--bb"sv}) {
    // In the middle, so that "--b" right behind the head, which ends the part, is no part of this.
    const std::string whole = "c" + std::string(content);
    check_parts("b", body_of(plain_part("a"), whole), {{"a", std::nullopt, "", whole}});
  }
  const std::string padded = "x\r\n--b" + std::string(65, ' ');
  check_parts("b", body_of(plain_part("a"), padded), {{"a", std::nullopt, "", padded}});
}

TEST_CASE("a boundary that repeats itself is found where it is") {
  for (const std::string_view boundary : {"--", "-----", "a--a", "--b--"}) {
    const std::string delimiter = "--" + std::string(boundary);
    const std::string content = "\r\n-\r\n--\r\n---\r\n" + delimiter + "x\r\n" + delimiter.substr(1) + "--\r\n";
    check_parts(boundary,
                delimiter + "\r\n" + plain_part("a") + "\r\n\r\n." + content + "\r\n" + delimiter + "\r\n" +
                    plain_part("b") + "\r\n\r\n\r\n" + delimiter + "--",
                {{"a", std::nullopt, "", "." + content}, {"b", std::nullopt, "", ""}});
  }
}

TEST_CASE("a part without content ends at the empty line or behind it") {
  const std::vector<Part> parts = {{"a", std::nullopt, "", ""}, {"b", std::nullopt, "", ""}};
  const std::string heads[] = {plain_part("a"), plain_part("b")};
  check_parts("b", "--b\r\n" + heads[0] + "\r\n\r\n\r\n--b\r\n" + heads[1] + "\r\n\r\n\r\n--b--", parts);
  check_parts("b", "--b\r\n" + heads[0] + "\r\n\r\n--b\r\n" + heads[1] + "\r\n\r\n--b--", parts);
}

TEST_CASE("a body that ends early is not ended, and its last part is not whole") {
  const std::string body =
      "--b\r\n" + plain_part("a") + "\r\n\r\nxyz\r\n--b\r\n" + plain_part("b") + "\r\n\r\nx\r\n--b--";
  for (std::size_t length = 0; length < body.size(); ++length) {
    const Outcome outcome = run("b", body.substr(0, length));
    CHECK(outcome.refused == "");
    CHECK_FALSE(outcome.ended);
    CHECK((outcome.parts.size() < 2 || !outcome.parts.back().whole));
  }
  CHECK(run("b", body).ended);
}

TEST_CASE("names are tokens or quoted strings") {
  CHECK(part_of("name=a").name == "a");
  CHECK(part_of("NAME=a").name == "a");
  CHECK(part_of("name=\"\"").name == "");
  CHECK(part_of("name=\"a;b=c,d e\"").name == "a;b=c,d e");
  CHECK(part_of("name=\"\xc3\xa9\xff\"").name == "\xc3\xa9\xff");
  CHECK(part_of("x=y ;\tname=a ; ; filename=b;").file_name == "b");
  CHECK(part_of("name=a; x=1; x=2; y*=z").name == "a");
  CHECK(part_of("name=f").file_name == std::nullopt);
  CHECK(file_name_of("filename=\"\"") == "");
  CHECK(file_name_of("filename=a%22b") == "a%22b");
}

TEST_CASE("in a quoted name a backslash escapes a quote and a backslash, and three percent escapes count") {
  CHECK(file_name_of(R"(filename="a\"b\\c\d")") == R"(a"b\c\d)");
  CHECK(file_name_of(R"(filename="\\")") == R"(\)");
  CHECK(file_name_of(R"(filename="a%22%0D%0Ab")") == "a\"\r\nb");
  CHECK(file_name_of(R"(filename="100%.txt %2 %20 %41 %0d %0a %25")") == "100%.txt %2 %20 %41 %0d %0a %25");
}

TEST_CASE("an extended file name wins, in UTF-8 or ISO-8859-1 (RFC 8187)") {
  CHECK(file_name_of("filename=\"a\"; filename*=UTF-8''%e2%82%ac%20rates") == "\xe2\x82\xac rates");
  CHECK(file_name_of("filename*=utf-8'en'a; filename=b") == "a");
  CHECK(file_name_of("filename*=iso-8859-1'en'%A3%20rates") == "\xc2\xa3 rates");
  CHECK(file_name_of("filename*=UTF-8''") == "");
  CHECK(file_name_of("filename*=UTF-8''dir%2Fa") == "a");
  for (const std::string_view broken : {"a", "UTF-8'a", "''a", "UTF-16''a", "UTF-8''%", "UTF-8''%4", "UTF-8''%zz",
                                        "UTF-8''%ff", "UTF-8''a*b", "UTF-8''a'b", "\"UTF-8''a\"", ""}) {
    check_refused(body_of(plain_part("a") + "; filename=b; filename*=" + std::string(broken)));
  }
}

TEST_CASE("of a path only the last segment is the name") {
  CHECK(file_name_of("filename=\"a/b/c.txt\"") == "c.txt");
  CHECK(file_name_of("filename=\"/etc/passwd\"") == "passwd");
  CHECK(file_name_of("filename=\"../..\"") == "..");
  CHECK(file_name_of("filename=\"dir/\"") == "");
  CHECK(file_name_of(R"(filename="C:\Users\me\a b.txt")") == "a b.txt");
  CHECK(file_name_of(R"(filename="c:\\dir\\a.txt")") == "a.txt");
  CHECK(file_name_of(R"(filename="C:\dir/a\b")") == "b");
  CHECK(file_name_of(R"(filename="\\\\server\\share\\a.txt")") == "a.txt");
  CHECK(file_name_of(R"(filename="a\b.txt")") == R"(a\b.txt)");
  CHECK(file_name_of(R"(filename="1:\b.txt")") == R"(1:\b.txt)");
  CHECK(file_name_of(R"(filename="C:b.txt")") == "C:b.txt");
  CHECK(part_of(R"(name="C:\a/b")").name == R"(C:\a/b)");
}

TEST_CASE("a Content-Disposition that is not form-data with a name is refused") {
  for (const std::string_view value : {"",
                                       "form-data",
                                       "form-data;",
                                       "form-data; filename=a",
                                       "attachment; name=a",
                                       "form-datax; name=a",
                                       "form-data name=a",
                                       "form-data, name=a",
                                       "; name=a",
                                       "form-data; name",
                                       "form-data; name=",
                                       "form-data; =a",
                                       "form-data; name =a",
                                       "form-data; name= a",
                                       "form-data; name=a b",
                                       "form-data; name=\"a",
                                       "form-data; name=\"a\\\"",
                                       "form-data; name=\"a\"b",
                                       "form-data; name=a; name=a",
                                       "form-data; name=a; Name=b",
                                       "form-data; name=a; filename=b; filename=c",
                                       "form-data; name=\xc3\xa9",
                                       "form-data; name=a; filename=a/b"}) {
    check_refused(body_of("Content-Disposition: " + std::string(value)));
  }
  check_refused(body_of("Content-Type: text/plain"));
  check_refused(body_of(plain_part("a") + "\r\n" + plain_part("a")));
  check_refused("--b\r\n\r\nx\r\n--b--");
}

TEST_CASE("other fields are ignored, a second Content-Type and a decoding are not") {
  const std::string head = plain_part("a");
  const std::vector<Part> parts = {{"a", std::nullopt, "", "x"}};
  check_parts("b", body_of("X-A: 1\r\nX-A: 2\r\nContent-Length: 5\r\n" + head + "\r\nX:"), parts);
  check_parts("b", body_of("content-disposition:Form-Data;name=a"), parts);
  for (const std::string_view coding : {"7bit", "8bit", "binary", "BINARY"}) {
    check_parts("b", body_of(head + "\r\nContent-Transfer-Encoding: " + std::string(coding)), parts);
  }
  check_refused(body_of(head + "\r\nContent-Transfer-Encoding: base64"));
  check_refused(body_of(head + "\r\nContent-Transfer-Encoding: quoted-printable"));
  check_refused(body_of(head + "\r\nContent-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: base64"));
  check_refused(body_of(head + "\r\nContent-Type: a/b\r\ncontent-type: a/b"));
}

TEST_CASE("field lines of a part that break the rules are refused") {
  const std::string head = plain_part("a");
  for (const std::string_view line :
       {"X: a\r\n folded"sv, "X: a\r\n\tfolded"sv, "X : a"sv, ": a"sv, "X"sv, "X(: a"sv, "X: a\0b"sv, "X: a\x01"sv,
        "X: a\x7f"sv, "X: a\rb"sv, "X: a\nY: b"sv, "X: a\r"sv, "--b"sv, "--b--"sv}) {
    check_refused(body_of(head + "\r\n" + std::string(line)));
  }
  check_refused("--b\r\n " + head + "\r\n\r\nx\r\n--b--");
  check_refused("--b\r\n" + head + "\n\nx\r\n--b--");
}

TEST_CASE("a part's head over its limit is answered with 431") {
  const MultipartLimits limits{.part_head_bytes = 100};
  const std::string fixed = plain_part("a") + "\r\nX: \r\n\r\n";
  const std::string most(limits.part_head_bytes - fixed.size(), 'x');
  CHECK(run("b", body_of(plain_part("a") + "\r\nX: " + most), limits).ended);
  check_refused(body_of(plain_part("a") + "\r\nX: " + most + "x"), "431 part_header_too_large", limits);
  check_refused("--b\r\n" + std::string(101, 'x'), "431 part_header_too_large", limits);
  CHECK(run("b", "--b\r\n" + std::string(100, 'x'), limits).refused == "");
  check_refused("--b\r\n: bad\r\n" + std::string(200, 'x'), "400 bad_multipart", limits);
  check_refused(body_of(plain_part("a") + "\r\nX: " + std::string(8 * kKiB, 'x')), "431 part_header_too_large");
}

TEST_CASE("more parts than the limit are refused, after those before") {
  const MultipartLimits limits{.parts = 2};
  const std::string part = "--b\r\n" + plain_part("a") + "\r\n\r\nx\r\n";
  CHECK(run("b", part + part + "--b--", limits).ended);
  check_refused(part + part + part + "--b--", "400 too_many_parts", limits);
  const Outcome outcome = run("b", part + part + "--b\r\n", limits);
  CHECK(outcome.refused == "400 too_many_parts");
  REQUIRE(outcome.parts.size() == 2);
  CHECK(outcome.parts[1].whole);
  CHECK_FALSE(outcome.ended);
}

TEST_CASE("preamble and epilogue over their limit are refused, each") {
  const MultipartLimits limits{.preamble_bytes = 20};
  const std::string body = "\r\n" + body_of(plain_part("a"));  // ends with CRLF, two bytes of epilogue
  CHECK(run("b", std::string(20, 'p') + body + std::string(18, 'e'), limits).ended);
  check_refused(std::string(21, 'p') + body, "400 bad_multipart", limits);
  check_refused(body + std::string(19, 'e'), "400 bad_multipart", limits);
  check_refused(std::string(21, 'p'), "400 bad_multipart", limits);
  CHECK(run("b", body + std::string(19, 'e'), limits).parts.size() == 1);
}

TEST_CASE("content before an error is delivered first") {
  const Outcome outcome = run("b", "--b\r\n" + plain_part("a") + "\r\n\r\nhello\r\n--b\r\nbad\r\n");
  CHECK(outcome.refused == "400 bad_multipart");
  REQUIRE(outcome.parts.size() == 1);
  CHECK(outcome.parts[0].content == "hello");
  CHECK(outcome.parts[0].whole);
}

TEST_CASE("content comes out of the input itself, without a copy") {
  MultipartParser parser("b");
  const std::string body = body_of(plain_part("a"), std::string(100'000, 'x'));
  auto step = parser.step(as_bytes(body));
  REQUIRE(step);
  std::size_t at = step->consumed;
  step = parser.step(as_bytes(body).subspan(at));
  REQUIRE(step);
  CHECK(step->event == MultipartParser::Event::content);
  CHECK(step->content.size() == 100'000);
  CHECK(static_cast<const void*>(step->content.data()) == body.data() + at);
}

TEST_CASE("a boundary is found also where a client left it unquoted, and never an invalid one") {
  CHECK(form_boundary("multipart/form-data; boundary=abc") == "abc");
  CHECK(form_boundary("multipart/form-data; boundary=\"a b\"") == "a b");
  CHECK(form_boundary("Multipart/Form-Data; charset=utf-8; Boundary=----=_Part") == "----=_Part");
  CHECK(form_boundary("multipart/form-data; boundary=a/b; x=y") == "a/b");
  for (const char* const type :
       {"multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=;",
        "multipart/form-data; boundary=a@b", "multipart/form-data boundary=x"}) {
    CAPTURE(type);
    CHECK_FALSE(form_boundary(type).has_value());
  }
  CHECK(is_form_data("Multipart/Form-Data ; boundary=x"));
  CHECK(is_form_data("multipart/form-data"));
  CHECK_FALSE(is_form_data("multipart/form-data-x; boundary=x"));
  CHECK_FALSE(is_form_data("text/plain"));
}

}  // namespace ringdrop::proto
