#include "client/upload_protocol.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringdrop::client {
namespace {

using FieldList = std::vector<std::pair<std::string_view, std::string_view>>;

HttpAnswer answer_of(uint16_t status, const FieldList& fields, std::string body = {}) {
  HttpAnswer answer;
  answer.head.status = status;
  for (const auto& [name, value] : fields) answer.head.fields.add(name, value);
  answer.body = std::move(body);
  return answer;
}

std::string describe(const HttpRequest& request) {
  std::string text = request.method + " " + request.target;
  for (const proto::Field& field : request.fields) text += "\n" + field.name + ": " + field.value;
  return text;
}

const FileFacts kFile{"\xc3\xbc \"x\".mkv", 10};
const LinkWishes kWishes{"36h", "3"};

}  // namespace

TEST_CASE("IETF requests are those of interop version 8, and ask for no interim answers") {
  const auto ietf = make_ietf_protocol();
  CHECK(describe(ietf->creation("/p/uploads", kFile, kWishes)) ==
        "POST /p/uploads\nUpload-Complete: ?0\nUpload-Length: 10\n"
        "Content-Disposition: attachment; filename=\"__ _x_.mkv\"; filename*=UTF-8''%C3%BC%20%22x%22.mkv\n"
        "Expires-In: 36h\nMax-Downloads: 3");
  CHECK(describe(ietf->question("/u")) == "HEAD /u");
  CHECK(describe(ietf->append("/u", 7)) ==
        "PATCH /u\nContent-Type: application/partial-upload\nUpload-Offset: 7\n"
        "Upload-Complete: ?1");
  CHECK(describe(ietf->cancellation("/u")) == "DELETE /u");
}

TEST_CASE("tus requests are those of 1.0.0") {
  const auto tus = make_tus_protocol();
  CHECK(describe(tus->creation("/uploads", kFile, LinkWishes{})) ==
        "POST /uploads\nTus-Resumable: 1.0.0\nUpload-Length: 10\n"
        "Upload-Metadata: filename w7wgIngiLm1rdg==,filetype dmlkZW8veC1tYXRyb3NrYQ==");
  CHECK(describe(tus->append("/u", 7)) ==
        "PATCH /u\nTus-Resumable: 1.0.0\nContent-Type: application/offset+octet-stream\nUpload-Offset: 7");
}

TEST_CASE("answers tell how far an upload is") {
  struct Row {
    const char* protocol;
    HttpAnswer answer;
    bool told;
    uint64_t offset = 0;
    bool complete = false;
    std::string link{};
  };
  const std::string json = R"({"files":[{"name":"x","size":10,"url":"http://h/t/x"}]})";
  const std::vector<Row> rows{
      {"ietf", answer_of(201, {{"Upload-Complete", "?0"}, {"Upload-Offset", "0"}}), true, 0, false},
      {"ietf", answer_of(201, {{"Upload-Complete", "?0"}}), true, 0, false},
      {"ietf", answer_of(204, {{"Upload-Complete", "?0"}, {"Upload-Offset", "7"}}), true, 7, false},
      {"ietf", answer_of(204, {{"Upload-Complete", "?1"}, {"Upload-Offset", "10"}, {"Upload-Link", "http://l"}}), true,
       10, true, "http://l"},
      {"ietf", answer_of(201, {{"Upload-Complete", "?1"}}, json), true, 10, true, "http://h/t/x"},
      {"ietf", answer_of(200, {{"Upload-Complete", "?1"}}, "whatever"), true, 10, true},
      {"ietf", answer_of(204, {{"Upload-Offset", "7"}}), false},
      {"ietf", answer_of(200, {{"Upload-Complete", "1"}}), false},
      {"tus", answer_of(201, {}), true, 0, false},
      {"tus", answer_of(200, {{"Upload-Offset", "7"}}), true, 7, false},
      {"tus", answer_of(204, {{"Upload-Offset", "10"}, {"Upload-Link", "http://l"}}), true, 10, true, "http://l"},
      {"tus", answer_of(204, {{"Upload-Offset", "11"}}), true, 11, false},
      {"tus", answer_of(204, {}), false},
      {"tus", answer_of(204, {{"Upload-Offset", "x"}}), false},
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(i);
    const auto point = make_protocol(rows[i].protocol)->read_point(rows[i].answer, 10);
    REQUIRE(point.has_value() == rows[i].told);
    if (!point) continue;
    CHECK(point->offset == rows[i].offset);
    CHECK(point->complete == rows[i].complete);
    CHECK(point->link == rows[i].link);
  }
}

TEST_CASE("the protocol is what the server offers, the IETF's first") {
  const auto found = [](const FieldList& fields) {
    const auto protocol = discover_protocol(answer_of(204, fields).head.fields);
    return std::string(protocol ? protocol->name() : "none");
  };
  CHECK(found({{"Upload-Limit", "max-size=5"}, {"Tus-Version", "1.0.0"}}) == "ietf");
  CHECK(found({{"Accept-Patch", "x/y, application/partial-upload"}}) == "ietf");
  CHECK(found({{"Accept-Patch", "application/offset+octet-stream"}, {"Tus-Version", "0.2.2,1.0.0"}}) == "tus");
  CHECK(found({{"Tus-Version", "0.2.2"}}) == "none");
  CHECK(found({{"Allow", "GET"}}) == "none");
  CHECK(make_protocol("ftp") == nullptr);
}

TEST_CASE("a refusal is told in the server's words, and what can be done follows from its status") {
  using Kind = Failure::Kind;
  struct Row {
    uint16_t status;
    Kind made_new;
    Kind known;
  };
  for (const Row& row : std::vector<Row>{{400, Kind::final, Kind::final},
                                         {401, Kind::final, Kind::final},
                                         {404, Kind::final, Kind::gone},
                                         {408, Kind::again, Kind::again},
                                         {409, Kind::final, Kind::again},
                                         {410, Kind::final, Kind::gone},
                                         {413, Kind::final, Kind::final},
                                         {429, Kind::again, Kind::again},
                                         {500, Kind::again, Kind::again},
                                         {501, Kind::final, Kind::final},
                                         {503, Kind::again, Kind::again},
                                         {507, Kind::final, Kind::final},
                                         {301, Kind::final, Kind::final}}) {
    CAPTURE(row.status);
    CHECK(answer_failure(answer_of(row.status, {}), false).kind == row.made_new);
    CHECK(answer_failure(answer_of(row.status, {}), true).kind == row.known);
  }
  const FieldList problem{{"Content-Type", "application/problem+json"}};
  CHECK(answer_failure(answer_of(413, problem, R"({"detail":"too \u001b[2J much"})"), false).words ==
        "the server answered 413 Content Too Large: too ?[2J much");
  const FieldList text{{"Content-Type", "text/plain; charset=utf-8"}, {"Retry-After", "5"}};
  const Failure busy = answer_failure(answer_of(503, text, "busy\nand more"), false);
  CHECK(busy.words == "the server answered 503 Service Unavailable: busy");
  CHECK(busy.retry_after == io::Milliseconds(5000));
  CHECK(answer_failure(answer_of(502, {{"Content-Type", "text/html"}}, "<html>"), false).words ==
        "the server answered 502 Bad Gateway");
  CHECK(answer_failure(answer_of(503, {{"Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"}}), false).retry_after ==
        std::nullopt);
  CHECK(answer_failure(answer_of(503, {{"Retry-After", "4000000000"}}), false).retry_after ==
        io::Milliseconds(600'000));
  CHECK(answer_failure(answer_of(301, {{"Location", "https://h/"}}), false).words ==
        "the server answered 301 Moved Permanently: give the URL it names: https://h/");
}

}  // namespace ringdrop::client
