#include "proto/http_date.h"

#include <doctest/doctest.h>

#include <limits>

namespace ringdrop::proto {
namespace {

constexpr int64_t kRfcExample = 784111777;  // Sun, 06 Nov 1994 08:49:37 GMT
constexpr int64_t kNow = 1'767'225'600;     // Thu, 01 Jan 2026 00:00:00 GMT

}  // namespace

TEST_CASE("dates are written as IMF-fixdate") {
  CHECK(format_http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
  CHECK(format_http_date(kRfcExample) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(format_http_date(kNow) == "Thu, 01 Jan 2026 00:00:00 GMT");
  CHECK(format_http_date(951'782'400) == "Tue, 29 Feb 2000 00:00:00 GMT");
  CHECK(format_http_date(-1) == "Wed, 31 Dec 1969 23:59:59 GMT");
  CHECK(format_http_date(4'294'967'296) == "Sun, 07 Feb 2106 06:28:16 GMT");
}

TEST_CASE("dates beyond four digits of a year are held at the ends") {
  CHECK(format_http_date(std::numeric_limits<int64_t>::max()) == "Fri, 31 Dec 9999 23:59:59 GMT");
  CHECK(format_http_date(std::numeric_limits<int64_t>::min()) == "Mon, 01 Jan 0001 00:00:00 GMT");
}

TEST_CASE("all three forms are read") {
  CHECK(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT", kNow) == kRfcExample);
  CHECK(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", kNow) == kRfcExample);
  CHECK(parse_http_date("Sun Nov  6 08:49:37 1994", kNow) == kRfcExample);
  CHECK(parse_http_date("Sun Nov 06 08:49:37 1994", kNow) == kRfcExample);
  CHECK(parse_http_date("Wed, 31 Dec 1969 23:59:59 GMT", kNow) == -1);
  CHECK(parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT", kNow) == 1'483'228'800);
}

TEST_CASE("what is written is read back") {
  for (int64_t seconds = -62'135'596'800; seconds < 253'402'300'799; seconds += 99'999'999'7) {
    CHECK(parse_http_date(format_http_date(seconds), kNow) == seconds);
  }
}

TEST_CASE("two digits of a year mean the latest one at most 50 years ahead") {
  CHECK(parse_http_date("Friday, 02-Jan-76 00:00:00 GMT", kNow) == 189'388'800);       // 1976: 2076 is a day too far
  CHECK(parse_http_date("Wednesday, 01-Jan-76 00:00:00 GMT", kNow) == 3'345'062'400);  // 2076: 50 years to the second
  CHECK(parse_http_date("Wednesday, 01-Jan-76 00:00:01 GMT", kNow) == 189'302'401);
  CHECK(parse_http_date("Friday, 01-Jan-99 00:00:00 GMT", kNow) == 915'148'800);
  CHECK(parse_http_date("Thursday, 01-Jan-26 00:00:00 GMT", kNow) == kNow);
  CHECK(parse_http_date("Saturday, 01-Jan-05 00:00:00 GMT", 3'944'678'400) == 4'260'211'200);  // read in 2095: 2105
}

TEST_CASE("anything else is no date") {
  for (const std::string_view text : {"",
                                      "0",
                                      "Sun",
                                      "Sun,",
                                      "Sun, 06 Nov 1994 08:49:37",
                                      "Sun, 06 Nov 1994 08:49:37 UTC",
                                      "Sun, 06 Nov 1994 08:49:37 GMT ",
                                      " Sun, 06 Nov 1994 08:49:37 GMT",
                                      "sun, 06 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 nov 1994 08:49:37 GMT",
                                      "Sun, 6 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 94 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 8:49:37 GMT",
                                      "Sun, 06 Nov 1994 24:00:00 GMT",
                                      "Sun, 06 Nov 1994 08:60:00 GMT",
                                      "Sun, 06 Nov 1994 08:49:61 GMT",
                                      "Sun, 00 Nov 1994 08:49:37 GMT",
                                      "Sun, 31 Nov 1994 08:49:37 GMT",
                                      "Sun, 29 Feb 1900 08:49:37 GMT",
                                      "Xyz, 06 Nov 1994 08:49:37 GMT",
                                      "Sunday, 06-Nov-1994 08:49:37 GMT",
                                      "Sun, 06-Nov-94 08:49:37 GMT",
                                      "Sunday, 31-Feb-94 08:49:37 GMT",
                                      "Sun Nov 6 08:49:37 1994",
                                      "Sun Nov  6 08:49:37 1994 GMT",
                                      "Sun Nov   6 08:49:37 199",
                                      "Sun, +6 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov -994 08:49:37 GMT",
                                      "784111777"}) {
    CAPTURE(text);
    CHECK(parse_http_date(text, kNow) == std::nullopt);
  }
}

TEST_CASE("a clock far off does no harm") {
  for (const int64_t now : {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), int64_t{0}}) {
    CHECK(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", now).has_value());
  }
}

}  // namespace ringdrop::proto
