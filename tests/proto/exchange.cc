#include "tests/proto/exchange.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

namespace ringdrop::proto {
namespace {

constexpr std::size_t kLongInput = 1024;

// Feeds one piece until nothing of it is left or the exchange has ended. Returns whether it goes
// on.
bool feed(HttpParser& parser, std::string_view piece, std::span<std::byte> output, Outcome& outcome) {
  const auto refuse = [&outcome](const Rejection& rejection) {
    outcome.refused = std::to_string(rejection.status) + " " + rejection.code;
    outcome.reason = rejection.reason;
    outcome.consumed = 0;
    return false;
  };
  if (!parser.head_complete()) {
    const auto consumed = parser.parse_head(as_bytes(piece));
    outcome.head_started = parser.head_started();
    if (!consumed) return refuse(consumed.error());
    CHECK((*consumed == piece.size() || parser.head_complete()));
    outcome.consumed += *consumed;
    piece.remove_prefix(*consumed);
    if (!parser.head_complete()) return true;
    outcome.head = describe(parser.head());
  }
  if (parser.head().framing != BodyFraming::chunked) {
    outcome.complete = true;
    return false;
  }
  while (!piece.empty() && !parser.body_complete()) {
    const auto decoded = parser.decode_chunked(as_bytes(piece), output);
    if (!decoded) return refuse(decoded.error());
    REQUIRE(decoded->consumed <= piece.size());
    REQUIRE(decoded->produced <= std::min(output.size(), decoded->consumed));
    outcome.body += as_text(output.first(decoded->produced));
    outcome.consumed += decoded->consumed;
    piece.remove_prefix(decoded->consumed);
  }
  outcome.complete = parser.body_complete();
  return !outcome.complete;
}

}  // namespace

std::string describe(const RequestHead& head) {
  std::string text = head.method_text + " " + head.path;
  if (!head.query.empty()) text += "?" + head.query;
  if (!head.host.empty()) text += " host=" + head.host;
  if (head.framing == BodyFraming::content_length) text += " length=" + std::to_string(head.content_length);
  if (head.framing == BodyFraming::chunked) text += " chunked";
  if (!head.keep_alive) text += " close";
  if (head.expects_continue) text += " continue";
  if (head.minor_version == 0) text += " http/1.0";
  return text;
}

Outcome run_exchange(std::string_view input, std::span<const std::size_t> cuts, std::size_t output_bytes,
                     HttpParserLimits limits) {
  HttpParser parser(limits);
  Outcome outcome{};
  std::vector<std::byte> output(output_bytes);
  std::size_t from = 0;
  for (const std::size_t cut : cuts) {
    if (!feed(parser, input.substr(from, cut - from), output, outcome)) return outcome;
    from = cut;
  }
  feed(parser, input.substr(from), output, outcome);
  return outcome;
}

Outcome run_every_split(std::string_view input, HttpParserLimits limits) {
  constexpr std::array<std::size_t, 4> kOutputBytes = {1, 2, 7, 4096};
  const Outcome whole = run_exchange(input, {}, 1 << 16, limits);
  INFO("input: ", std::string(input.substr(0, kLongInput)));
  INFO("as a whole: ", whole.refused, " ", whole.reason, " ", whole.head);

  std::vector<std::size_t> everywhere(input.size());
  for (std::size_t i = 0; i < everywhere.size(); ++i) everywhere[i] = i;
  for (const std::size_t output_bytes : kOutputBytes) {
    CHECK(run_exchange(input, everywhere, output_bytes, limits) == whole);
    CHECK(run_exchange(input, {}, output_bytes, limits) == whole);
  }
  const std::size_t stride = input.size() > kLongInput ? 97 : 1;
  for (std::size_t cut = 1; cut < input.size(); cut += stride) {
    INFO("cut at ", cut);
    const std::array<std::size_t, 1> cuts = {cut};
    CHECK(run_exchange(input, cuts, 4096, limits) == whole);
  }
  return whole;
}

void check_accepted(const std::vector<Accepted>& rows) {
  for (const Accepted& row : rows) {
    const Outcome outcome = run_every_split(row.input);
    CAPTURE(row.input);
    CAPTURE(outcome.reason);
    CHECK(outcome.refused == "");
    CHECK(outcome.head == row.head);
  }
}

void check_refused(const std::vector<Refused>& rows) {
  for (const Refused& row : rows) {
    const Outcome outcome = run_every_split(row.input);
    CAPTURE(row.input.substr(0, 200));
    CAPTURE(outcome.head);
    CHECK(outcome.refused == row.answer);
    CHECK_FALSE(outcome.reason.empty());
    CHECK(outcome.reason.back() != '.');
  }
}

}  // namespace ringdrop::proto
