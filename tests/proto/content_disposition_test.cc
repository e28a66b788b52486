#include "proto/content_disposition.h"

#include <doctest/doctest.h>

using namespace std::string_literals;

namespace ringdrop::proto {
namespace {

std::string attachment(std::string_view name) {
  return format_content_disposition(Disposition::attachment, name);
}

}  // namespace

TEST_CASE("without a name there is the bare type") {
  CHECK(attachment("") == "attachment");
  CHECK(format_content_disposition(Disposition::inline_, "") == "inline");
}

TEST_CASE("a plain ASCII name stands in both forms") {
  CHECK(attachment("a b.txt") == "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt");
  CHECK(attachment("it's; a=b, c") ==
        "attachment; filename=\"it's; a=b, c\"; filename*=UTF-8''it%27s%3B%20a%3Db%2C%20c");
  CHECK(format_content_disposition(Disposition::inline_, "a") == "inline; filename=\"a\"; filename*=UTF-8''a");
}

TEST_CASE("a name beyond ASCII comes twice, for old clients and as it is") {
  CHECK(attachment("\xe2\x82\xac rates") == "attachment; filename=\"___ rates\"; filename*=UTF-8''%E2%82%AC%20rates");
  CHECK(attachment("\xe2\x80\xae"
                   "fdp.exe") == "attachment; filename=\"___fdp.exe\"; filename*=UTF-8''%E2%80%AEfdp.exe");
}

TEST_CASE("nothing in a name ends the field or the parameter") {
  CHECK(attachment("a\"\r\nSet-Cookie: x") ==
        "attachment; filename=\"a___Set-Cookie: x\"; filename*=UTF-8''a%22%0D%0ASet-Cookie%3A%20x");
  CHECK(attachment("a\\\"b") == "attachment; filename=\"a__b\"; filename*=UTF-8''a%5C%22b");
  CHECK(attachment("\0"s) == "attachment; filename=\"_\"; filename*=UTF-8''%00");
}

TEST_CASE("broken UTF-8 is mended in the extended form") {
  CHECK(attachment("a\xff") == "attachment; filename=\"a_\"; filename*=UTF-8''a%EF%BF%BD");
}

TEST_CASE("a percent sign is not left to clients that decode the quoted form") {
  CHECK(attachment("100%41") == "attachment; filename=\"100%41\"; filename*=UTF-8''100%2541");
}

}  // namespace ringdrop::proto
