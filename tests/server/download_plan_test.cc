#include "server/download_plan.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/base64.h"
#include "proto/digest.h"
#include "tests/server/heads.h"

namespace ringdrop::server {
namespace {

constexpr const char* kPlayerPolicy =
    "sandbox allow-same-origin; default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'";

using proto::ByteRange;
using proto::Method;
using proto::RequestHead;
using Ranges = std::vector<ByteRange>;

constexpr int64_t kCreatedS = 1'700'000'000;  // Tue, 14 Nov 2023 22:13:20 GMT
constexpr int64_t kNowS = kCreatedS + 3600;
constexpr std::string_view kCreated = "Tue, 14 Nov 2023 22:13:20 GMT";
constexpr std::string_view kSecondEarlier = "Tue, 14 Nov 2023 22:13:19 GMT";
constexpr std::string_view kSecondLater = "Tue, 14 Nov 2023 22:13:21 GMT";

db::Link file(uint64_t size_bytes = 1000, std::string type = "video/mp4") {
  db::Link link;
  link.token = "0123456789abcdefABCDEF";
  link.name = "film.mp4";
  link.content_type = std::move(type);
  link.size_bytes = size_bytes;
  link.created_at_ms = kCreatedS * 1000 + 999;
  return link;
}

DownloadPlan plan(const RequestHead& request, const db::Link& link = file()) {
  return plan_download(request, link, kNowS, "BOUNDARY");
}

std::string field(const DownloadPlan& made, std::string_view name) {
  CHECK(made.head.fields.count(name) <= 1);
  return made.head.fields.joined(name);
}

std::string etag() {
  return etag_of(file());
}

TEST_CASE("a GET is answered with the whole file and all that is said of it") {
  const DownloadPlan made = plan(head_with({}));
  CHECK(made.head.status == 200);
  CHECK(made.ranges == Ranges{{0, 999}});
  CHECK(made.body_bytes == 1000);
  CHECK(made.boundary.empty());
  CHECK(field(made, "ETag") == etag());
  CHECK(field(made, "Last-Modified") == kCreated);
  CHECK(field(made, "Accept-Ranges") == "bytes");
  CHECK(field(made, "Content-Type") == "video/mp4");
  CHECK(field(made, "Cache-Control") == "no-cache");
  CHECK(field(made, "Vary") == "Accept, Sec-Fetch-Mode");
  CHECK(field(made, "X-Content-Type-Options") == "nosniff");
  CHECK(field(made, "Content-Security-Policy") == kPlayerPolicy);
  CHECK(field(made, "Cross-Origin-Resource-Policy") == "same-origin");
  CHECK(field(made, "Referrer-Policy") == "no-referrer");
  CHECK(field(made, "X-Robots-Tag") == "noindex");
  CHECK(made.head.fields.count("Content-Range") == 0);
  CHECK(made.head.fields.count("Repr-Digest") == 0);
}

TEST_CASE("an empty file has no bytes to send, and no range of it can be satisfied") {
  const DownloadPlan made = plan(head_with({}), file(0));
  CHECK(made.head.status == 200);
  CHECK(made.ranges.empty());
  CHECK(made.body_bytes == 0);
  const DownloadPlan part = plan(head_with({{"Range", "bytes=0-"}}), file(0));
  CHECK(part.head.status == 416);
  CHECK(field(part, "Content-Range") == "bytes */0");
}

TEST_CASE("the ETag is strong, the same for the same link, another for another, and tells nothing of the token") {
  db::Link other = file();
  other.token[0] = '1';
  CHECK(etag() == etag_of(file(5, "text/html")));
  CHECK(etag() != etag_of(other));
  CHECK(etag().size() == 34);
  CHECK(etag().front() == '"');
  CHECK(etag().back() == '"');
  CHECK(etag().find(file().token.substr(0, 6)) == std::string::npos);
  // Who keeps hashes of tokens does not find them here.
  CHECK(etag().substr(1, 32) != proto::to_hex(proto::sha256(file().token)).substr(0, 32));
}

TEST_CASE("a range is answered with its bytes and where they stand") {
  struct Row {
    std::string_view range;
    ByteRange bytes;
    std::string_view content_range;
  };
  const Row rows[] = {
      {"bytes=0-1", {0, 1}, "bytes 0-1/1000"},
      {"bytes=500-", {500, 999}, "bytes 500-999/1000"},
      {"bytes=-1", {999, 999}, "bytes 999-999/1000"},
      {"bytes=-5000", {0, 999}, "bytes 0-999/1000"},
      {"bytes=990-5000", {990, 999}, "bytes 990-999/1000"},
      {"BYTES=0-0", {0, 0}, "bytes 0-0/1000"},
      {"bytes=0-9,5-19", {0, 19}, "bytes 0-19/1000"},
      {"bytes=0-9,2000-", {0, 9}, "bytes 0-9/1000"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.range);
    const DownloadPlan made = plan(head_with({{"Range", row.range}}));
    CHECK(made.head.status == 206);
    CHECK(made.ranges == Ranges{row.bytes});
    CHECK(made.body_bytes == row.bytes.length_bytes());
    CHECK(made.boundary.empty());
    CHECK(field(made, "Content-Range") == row.content_range);
    CHECK(field(made, "Content-Type") == "video/mp4");
    CHECK(field(made, "ETag") == etag());
    CHECK(field(made, "Last-Modified") == kCreated);
    CHECK(field(made, "X-Content-Type-Options") == "nosniff");
  }
}

TEST_CASE("several ranges are parts of a multipart/byteranges, in the order asked for") {
  const DownloadPlan made = plan(head_with({{"Range", "bytes=500-599,0-9"}}), file(1000, "text/plain"));
  CHECK(made.head.status == 206);
  CHECK(made.ranges == Ranges{{500, 599}, {0, 9}});
  CHECK(made.boundary == "BOUNDARY");
  CHECK(made.part_type == "text/plain");
  CHECK(field(made, "Content-Type") == "multipart/byteranges; boundary=BOUNDARY");
  CHECK(made.head.fields.count("Content-Range") == 0);
  const std::string body = "--BOUNDARY\r\nContent-Type: text/plain\r\nContent-Range: bytes 500-599/1000\r\n\r\n" +
                           std::string(100, 'x') +
                           "\r\n--BOUNDARY\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-9/1000\r\n\r\n" +
                           std::string(10, 'x') + "\r\n--BOUNDARY--\r\n";
  CHECK(made.body_bytes == body.size());
}

TEST_CASE("a range that does not exist is 416 and tells the size, and nothing else of the file") {
  for (const std::string_view range :
       {"bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=5000-,6000-", "bytes=99999999999999999999999-"}) {
    CAPTURE(range);
    const DownloadPlan made = plan(head_with({{"Range", range}}));
    CHECK(made.head.status == 416);
    CHECK(field(made, "Content-Range") == "bytes */1000");
    CHECK(field(made, "Vary") == "Accept, Sec-Fetch-Mode");
    for (const std::string_view name :
         {"ETag", "Last-Modified", "Content-Type", "Content-Disposition", "Repr-Digest"}) {
      CAPTURE(name);
      CHECK(made.head.fields.count(name) == 0);
    }
    CHECK(made.ranges.empty());
    CHECK(made.body_bytes == 0);
  }
}

TEST_CASE("a Range that is none is ignored, and so are too many") {
  std::string bomb = "bytes=0-0";
  for (int i = 1; i <= 16; ++i) bomb += "," + std::to_string(10 * i) + "-" + std::to_string(10 * i);
  const std::string ranges[] = {"bytes=9-0", "bytes=", "bytes=a-b", "items=0-1", "bytes 0-1", "", bomb};
  for (const std::string& range : ranges) {
    CAPTURE(range);
    const DownloadPlan made = plan(head_with({{"Range", range}}));
    CHECK(made.head.status == 200);
    CHECK(made.ranges == Ranges{{0, 999}});
  }
}

TEST_CASE("a HEAD ignores Range, and says what a GET without one would") {
  for (const std::string_view range : {"", "bytes=0-1", "bytes=0-1,5-6", "bytes=5000-"}) {
    CAPTURE(range);
    const DownloadPlan made = plan(head_with({{"Range", range}}, "", Method::head));
    const DownloadPlan got = plan(head_with({}));
    CHECK(made.head.status == 200);
    CHECK(made.body_bytes == 1000);
    REQUIRE(made.head.fields.size() == got.head.fields.size());
    for (const proto::Field& one : got.head.fields) CHECK(field(made, one.name) == one.value);
  }
}

TEST_CASE("conditions are heeded in the order of RFC 9110, for GET and HEAD alike") {
  const std::string weak = "W/" + etag();
  const std::string list = "\"x\", " + etag();
  using Fields = std::vector<std::pair<std::string_view, std::string_view>>;
  const std::string tag = etag();
  const Fields fields_rows[] = {
      {{"If-None-Match", tag}},
      {{"If-None-Match", weak}},
      {{"If-None-Match", list}},
      {{"If-None-Match", "*"}},
      {{"If-None-Match", "\"x\""}},
      {{"If-None-Match", "\"x\""}, {"If-Modified-Since", kCreated}},
      {{"If-Modified-Since", kCreated}},
      {{"If-Modified-Since", kSecondLater}},
      {{"If-Modified-Since", kSecondEarlier}},
      {{"If-Modified-Since", "yesterday"}},
      {{"If-Match", tag}},
      {{"If-Match", "*"}},
      {{"If-Match", weak}},
      {{"If-Match", "\"x\""}},
      {{"If-Match", tag}, {"If-None-Match", tag}},
      {{"If-Match", "\"x\""}, {"If-None-Match", tag}},
      {{"If-Unmodified-Since", kCreated}},
      {{"If-Unmodified-Since", kSecondEarlier}},
      {{"If-Match", tag}, {"If-Unmodified-Since", kSecondEarlier}},
      {{"If-Unmodified-Since", kSecondEarlier}, {"If-None-Match", tag}},
      {{"If-None-Match", tag}, {"Range", "bytes=5000-"}},
      {{"If-Match", "\"x\""}, {"Range", "bytes=0-1"}},
  };
  const int statuses[] = {304, 304, 304, 304, 200, 200, 304, 304, 200, 200, 200,
                          200, 412, 412, 304, 412, 200, 412, 200, 412, 304, 412};
  static_assert(std::size(fields_rows) == std::size(statuses));
  for (std::size_t i = 0; i < std::size(statuses); ++i) {
    CAPTURE(i);
    for (const Method method : {Method::get, Method::head}) {
      const DownloadPlan made = plan(head_with(fields_rows[i], "", method));
      CHECK(made.head.status == statuses[i]);
      if (statuses[i] != 200) CHECK(made.ranges.empty());
      if (statuses[i] != 200) CHECK(made.body_bytes == 0);
      CHECK(field(made, "Vary") == "Accept, Sec-Fetch-Mode");
    }
  }
}

TEST_CASE("a 304 has what a cache must update, and no field of a content") {
  const DownloadPlan made = plan(head_with({{"If-None-Match", "*"}}));
  CHECK(field(made, "ETag") == etag());
  CHECK(field(made, "Cache-Control") == "no-cache");
  CHECK(field(made, "Vary") == "Accept, Sec-Fetch-Mode");
  for (const std::string_view name : {"Content-Type", "Content-Length", "Content-Range", "Content-Disposition"}) {
    CAPTURE(name);
    CHECK(made.head.fields.count(name) == 0);
  }
}

TEST_CASE("If-Range gives the part when the file is the same, else the whole") {
  const std::string tag = etag();
  const std::string weak = "W/" + tag;
  struct Row {
    std::string_view if_range;
    int status;
  };
  const Row rows[] = {
      {tag, 206}, {weak, 200}, {"\"x\"", 200}, {kCreated, 206}, {kSecondLater, 200}, {kSecondEarlier, 200}, {"*", 200},
  };
  for (const Row& row : rows) {
    CAPTURE(row.if_range);
    CHECK(plan(head_with({{"Range", "bytes=0-1"}, {"If-Range", row.if_range}})).head.status == row.status);
    // Without a Range it means nothing; with one that cannot be satisfied it saves from 416.
    CHECK(plan(head_with({{"If-Range", row.if_range}})).head.status == 200);
    CHECK(plan(head_with({{"Range", "bytes=5000-"}, {"If-Range", row.if_range}})).head.status ==
          (row.status == 206 ? 416 : 200));
  }
  const DownloadPlan young =
      plan_download(head_with({{"Range", "bytes=0-1"}, {"If-Range", kCreated}}), file(), kCreatedS + 59, "BOUNDARY");
  CHECK(young.head.status == 200);
}

TEST_CASE("what a browser may show is shown, all else is an attachment, and so is all with ?dl=1") {
  struct Row {
    std::string_view type;
    std::string_view query;
    bool shown;
  };
  const Row rows[] = {
      {"video/mp4", "", true},
      {"text/plain; charset=utf-8", "", true},
      {"application/pdf", "", true},
      {"image/png", "dl=0", true},
      {"image/png", "dl=1", false},
      {"image/png", "dl", false},
      {"image/png", "x=y&dl=true", false},
      {"image/png", "d%6C=1", false},
      {"image/png", "DL=1", true},
      {"image/png", "xdl=1", true},
      {"text/html", "", false},
      {"text/html", "dl=0", false},
      {"image/svg+xml", "", false},
      {"application/xhtml+xml", "", false},
      {"text/xml", "", false},
      {"application/octet-stream", "", false},
      {"", "", false},
      {"nonsense", "", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.type);
    CAPTURE(row.query);
    const DownloadPlan made = plan(head_with({}, row.query), file(1000, std::string(row.type)));
    const std::string start = row.shown ? "inline; filename=\"film.mp4\"" : "attachment; filename=\"film.mp4\"";
    CHECK(field(made, "Content-Disposition").starts_with(start));
    const DownloadPlan part = plan(head_with({{"Range", "bytes=0-1"}}, row.query), file(1000, std::string(row.type)));
    CHECK(field(part, "Content-Disposition") == field(made, "Content-Disposition"));
    // A player loads the file once more, from this origin; nothing else may, and no script ever runs.
    const bool player = row.shown && !row.type.starts_with("text/") && !row.type.starts_with("application/");
    CHECK(field(part, "Content-Security-Policy") == (player ? kPlayerPolicy : "sandbox; default-src 'none'"));
  }
}

TEST_CASE("of a limited link nothing is kept by anybody on the way") {
  db::Link limited = file();
  limited.max_downloads = 3;
  for (const RequestHead& request :
       {head_with({}), head_with({}, "", Method::head), head_with({{"Range", "bytes=0-1"}}),
        head_with({{"Range", "bytes=0-1,5-6"}}), head_with({{"If-None-Match", "*"}})}) {
    const DownloadPlan made = plan(request, limited);
    CAPTURE(made.head.status);
    CHECK(field(made, "Cache-Control") == "private, no-store");
  }
}

TEST_CASE("the digest that is wanted is told, else all that are known, of parts that of the whole") {
  const std::string sha256 = "sha-256=:" + proto::base64_encode(std::string(32, 'a')) + ":";
  const std::string sha512 = "sha-512=:" + proto::base64_encode(std::string(64, 'b')) + ":";
  struct Row {
    bool has_sha256;
    bool has_sha512;
    std::string_view want;
    std::string told;
  };
  const Row rows[] = {
      {false, false, "", ""},
      {false, false, "sha-256=1", ""},
      {true, false, "", sha256},
      {false, true, "", sha512},
      {true, true, "", sha256 + ", " + sha512},
      {true, true, "sha-256=1", sha256},
      {true, true, "sha-512=1", sha512},
      {true, true, "sha-256=1, sha-512=5", sha512},
      {true, false, "sha-512=1", sha256},
      {true, true, "md5=1", sha256 + ", " + sha512},
      {true, true, "sha-256=99", sha256 + ", " + sha512},
      {true, true, "???", sha256 + ", " + sha512},
  };
  for (const Row& row : rows) {
    CAPTURE(row.want);
    db::Link link = file();
    if (row.has_sha256) link.sha256 = std::string(32, 'a');
    if (row.has_sha512) link.sha512 = std::string(64, 'b');
    CHECK(field(plan(head_with({{"Want-Repr-Digest", row.want}}), link), "Repr-Digest") == row.told);
    CHECK(field(plan(head_with({{"Want-Repr-Digest", row.want}, {"Range", "bytes=0-1"}}), link), "Repr-Digest") ==
          row.told);
    CHECK(field(plan(head_with({{"Want-Repr-Digest", row.want}}, "", Method::head), link), "Repr-Digest") == row.told);
  }
}

TEST_CASE("a name of controls and quotes, and a file of the greatest size, make a sound head") {
  db::Link link = file((uint64_t{1} << 63U) - 1);
  link.name = "a\"\r\nSet-Cookie: x";
  const DownloadPlan made = plan(head_with({{"Range", "bytes=-1"}}), link);
  CHECK(field(made, "Content-Range") == "bytes 9223372036854775806-9223372036854775806/9223372036854775807");
  for (const proto::Field& one : made.head.fields) {
    CAPTURE(one.name);
    CHECK(one.value.find_first_of("\r\n") == std::string::npos);
  }
  link.name.clear();
  link.content_type = "text/html";
  CHECK(field(plan(head_with({}), link), "Content-Disposition") == "attachment");
}

}  // namespace
}  // namespace ringdrop::server
