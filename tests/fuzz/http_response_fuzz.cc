// The response parser under any bytes: the outcome is the same however the input is split and however little room there
// is for content, a body never grows, and what is accepted keeps the rules.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/characters.h"
#include "proto/http_response_parser.h"
#include "tests/fuzz/require.h"

namespace ringdrop::proto {
namespace {

struct Outcome {
  std::string fault;
  std::string head;
  std::string body;
  std::size_t consumed = 0;
  bool complete = false;

  bool operator==(const Outcome&) const = default;
};

void check_head(const ReceivedHead& head) {
  REQUIRE_THAT(head.status >= 100 && head.status <= 999 && head.minor_version <= 1);
  for (const Field& field : head.fields) {
    REQUIRE_THAT(is_token(field.name));
    REQUIRE_THAT(run_length(field.value, kValueChar) == field.value.size());
    REQUIRE_THAT(trim_white_space(field.value) == field.value);
  }
  REQUIRE_THAT(head.content_length <= static_cast<uint64_t>(INT64_MAX));
  REQUIRE_THAT(head.framing != ResponseFraming::until_close || !head.keep_alive);
}

std::string describe(const ReceivedHead& head) {
  std::string text = std::to_string(head.status) + (head.keep_alive ? "k" : "c");
  for (const Field& field : head.fields) text += '\n' + field.name + ':' + field.value;
  return text + '\n' + std::to_string(static_cast<int>(head.framing)) + ' ' + std::to_string(head.content_length);
}

// `most` bytes of input and of room at a time; 0: all.
Outcome run(std::string_view input, HttpResponseLimits limits, bool to_head, std::size_t most) {
  HttpResponseParser parser(limits);
  parser.expect(to_head);
  Outcome outcome;
  std::array<std::byte, 4096> output;
  const std::size_t step = most == 0 ? SIZE_MAX : most;
  while (outcome.consumed < input.size() && !outcome.complete) {
    const std::string_view piece = input.substr(outcome.consumed, step);
    if (!parser.head_complete()) {
      const auto consumed = parser.parse_head(as_bytes(piece));
      if (!consumed) {
        outcome.fault = consumed.error().reason;
        outcome.consumed = 0;
        return outcome;
      }
      REQUIRE_THAT(*consumed <= piece.size() && *consumed > 0);
      outcome.consumed += *consumed;
      if (!parser.head_complete()) continue;
      check_head(parser.head());
      outcome.head = describe(parser.head());
    } else {
      const std::size_t room = std::min(output.size(), step);
      const auto decoded = parser.decode(as_bytes(piece), MutableBytes(output).first(room));
      if (!decoded) {
        outcome.fault = decoded.error().reason;
        outcome.consumed = 0;
        return outcome;
      }
      REQUIRE_THAT(decoded->consumed <= piece.size() && decoded->produced <= std::min(room, decoded->consumed));
      REQUIRE_THAT(decoded->consumed > 0);
      outcome.body += as_text(Bytes(output).first(decoded->produced));
      outcome.consumed += decoded->consumed;
    }
    outcome.complete = parser.body_complete();
  }
  REQUIRE_THAT(outcome.body.size() <= outcome.consumed);
  return outcome;
}

void check_every_way(std::string_view input, HttpResponseLimits limits) {
  for (const bool to_head : {false, true}) {
    const Outcome whole = run(input, limits, to_head, 0);
    for (const std::size_t most : std::array<std::size_t, 3>{1, 5, 64}) {
      REQUIRE_THAT(run(input, limits, to_head, most) == whole);
    }
  }
}

}  // namespace
}  // namespace ringdrop::proto

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace ringdrop;
  using namespace ringdrop::proto;
  const std::string_view input = as_text(Bytes(reinterpret_cast<const std::byte*>(data), size));
  check_every_way(input, HttpResponseLimits{});
  HttpResponseLimits tight;
  tight.head_bytes = 96;
  tight.fields = 4;
  tight.chunk_extension_bytes_line = 8;
  tight.chunk_extension_bytes_body = 12;
  tight.trailer_bytes = 24;
  check_every_way(input, tight);
  return 0;
}
