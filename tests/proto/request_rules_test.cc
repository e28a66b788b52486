#include "proto/request_rules.h"

#include <doctest/doctest.h>

#include <initializer_list>
#include <string_view>

namespace ringdrop::proto {
namespace {

// These go past the guard and llhttp, so that the rules are seen to hold by themselves.
RequestHead head_with(std::initializer_list<Field> fields) {
  RequestHead head;
  head.method = Method::post;
  head.method_text = "POST";
  head.target = "/";
  for (const Field& field : fields) head.fields.add(field.name, field.value);
  return head;
}

std::string_view code_of(RequestHead head) {
  const auto applied = apply_request_rules(head);
  return applied ? "" : applied.error().code;
}

}  // namespace

TEST_CASE("the rules hold by themselves, whatever a parser has let pass") {
  CHECK(code_of(head_with({{"Host", "h"}})) == "");
  CHECK(code_of(head_with({})) == "bad_host");
  CHECK(code_of(head_with({{"Host", "h"}, {"host", "h"}})) == "bad_host");
  CHECK(code_of(head_with({{"Host", "h"}, {"Content-Length", "5"}, {"content-length", "5"}})) == "bad_request");
  CHECK(code_of(head_with({{"Host", "h"}, {"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}})) ==
        "bad_request");
  CHECK(code_of(head_with({{"Host", "h"}, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}})) ==
        "bad_request");
  for (const char* value : {"", "chunked, gzip", "chunked, chunked", "identity", "x\vchunked", ", chunked"}) {
    CAPTURE(value);
    CHECK(code_of(head_with({{"Host", "h"}, {"Transfer-Encoding", value}})) == "bad_request");
  }
  for (const char* value : {"", "+5", "-5", "0x5", "5 ", "5,5", "9223372036854775808", "00000000000000000005"}) {
    CAPTURE(value);
    CHECK(code_of(head_with({{"Host", "h"}, {"Content-Length", value}})) == "bad_request");
  }
}

TEST_CASE("uncertain framing is told before anything else") {
  CHECK(code_of(head_with({{"Content-Length", "x"}, {"Expect", "tea"}})) == "bad_request");
  CHECK(code_of(head_with({{"Transfer-Encoding", "gzip, chunked"}})) == "unsupported_coding");
}

TEST_CASE("an empty target is refused") {
  RequestHead head = head_with({{"Host", "h"}});
  head.target = "";
  CHECK(code_of(head) == "bad_request");
  head.method = Method::connect;
  CHECK(code_of(head) == "bad_request");
}

}  // namespace ringdrop::proto
