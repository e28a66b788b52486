#include "proto/http_message.h"

#include <doctest/doctest.h>

#include <string>

namespace ringdrop::proto {

TEST_CASE("fields are found without regard to case, the first one first") {
  Fields fields;
  CHECK(fields.empty());
  fields.add("Content-Type", "text/plain");
  fields.add("Via", "a");
  fields.add("VIA", "b");
  CHECK(fields.size() == 3);
  CHECK(fields.find("content-type") == "text/plain");
  CHECK(fields.find("via") == "a");
  CHECK(fields.find("content-typ") == std::nullopt);
  CHECK(fields.find("") == std::nullopt);
  CHECK(fields.count("Via") == 2);
  CHECK(fields.count("Host") == 0);
}

TEST_CASE("the values of one name are joined by a comma and a space") {
  Fields fields;
  CHECK(fields.joined("Via") == "");
  fields.add("Via", "a, b");
  fields.add("Other", "x");
  fields.add("via", "");
  fields.add("via", "c");
  CHECK(fields.joined("VIA") == "a, b, , c");
}

TEST_CASE("comparison without case is about ASCII letters only") {
  CHECK(equals_ignoring_case("", ""));
  CHECK(equals_ignoring_case("AbC-1", "aBc-1"));
  CHECK_FALSE(equals_ignoring_case("abc", "abcd"));
  CHECK_FALSE(equals_ignoring_case("[", "{"));
  CHECK_FALSE(equals_ignoring_case("@", "`"));
  CHECK_FALSE(equals_ignoring_case("\xc3\x84", "\xc3\xa4"));
}

TEST_CASE("a list contains a token when one whole member is it") {
  CHECK(list_contains("close", "close"));
  CHECK(list_contains("keep-alive ,\tClose\t,x", "close"));
  CHECK(list_contains(",,close", "close"));
  CHECK_FALSE(list_contains("", "close"));
  CHECK_FALSE(list_contains("closed, not close", "close"));
  CHECK_FALSE(list_contains("close;x", "close"));
}

TEST_CASE("a head that has forgotten is as new, and has the memory of its texts") {
  RequestHead head;
  const std::string text(100, 'x');
  for (std::string* const one : {&head.method_text, &head.target, &head.path, &head.query, &head.host}) *one = text;
  head.method = Method::put;
  head.minor_version = 0;
  head.keep_alive = false;
  head.expects_continue = true;
  head.framing = BodyFraming::content_length;
  head.content_length = 5;
  head.fields.add("A", "b");
  head.forget();
  const RequestHead fresh;
  for (const std::string* const one : {&head.method_text, &head.target, &head.path, &head.query, &head.host}) {
    CHECK(one->empty());
    CHECK(one->capacity() >= text.size());
  }
  CHECK(head.method == fresh.method);
  CHECK(head.minor_version == fresh.minor_version);
  CHECK(head.keep_alive == fresh.keep_alive);
  CHECK(head.expects_continue == fresh.expects_continue);
  CHECK(head.framing == fresh.framing);
  CHECK(head.content_length == fresh.content_length);
  CHECK(head.fields.empty());
}

}  // namespace ringdrop::proto
