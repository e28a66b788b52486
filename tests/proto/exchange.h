// One request through an HttpParser, in pieces: what the parser made of it, as values that can be
// compared.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/http_parser.h"

namespace ringdrop::proto {

struct Outcome {
  std::string refused;   // "400 bad_request", empty when nothing was
  std::string reason;    // of the refusal
  std::string head;      // see describe(); empty while the head is not complete
  std::string body;      // the decoded content of a chunked body
  std::size_t consumed;  // bytes of the input; 0 when it was refused
  bool head_started;
  bool complete;  // head, and body if it is chunked

  bool operator==(const Outcome&) const = default;
};

// "GET /a?b" and whatever is not the default: " host=" " none|length=5|chunked" " close" "
// continue" " http/1.0".
std::string describe(const RequestHead& head);

// Feeds `input`, cut before each of the `cuts` (ascending), with that much room for content at a
// time.
Outcome run_exchange(std::string_view input, std::span<const std::size_t> cuts, std::size_t output_bytes,
                     HttpParserLimits limits = {});

// The outcome of `input` as a whole, after a CHECK that each other way to feed it has the same:
// byte by byte, in two at every position, with little room for content. Long inputs are cut at
// every 97th position only.
Outcome run_every_split(std::string_view input, HttpParserLimits limits = {});

// Rows of tables: every way to feed the input gives that head, or that answer ("400 bad_request") with a reason.
struct Accepted {
  std::string input;
  std::string_view head;
};
struct Refused {
  std::string input;
  std::string_view answer;
};
void check_accepted(const std::vector<Accepted>& rows);
void check_refused(const std::vector<Refused>& rows);

}  // namespace ringdrop::proto
