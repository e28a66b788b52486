// The request parser under any bytes: the outcome is the same however the input is split and
// however little room there is for content, a body never grows, and what is accepted keeps the
// rules.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/characters.h"
#include "proto/http_parser.h"
#include "proto/uri.h"
#include "tests/fuzz/require.h"

namespace ringdrop::proto {
namespace {

struct Outcome {
  std::string refusal;
  std::string head;
  std::string body;
  std::size_t consumed = 0;
  bool complete = false;

  bool operator==(const Outcome&) const = default;
};

// How much of the input and of the room for content is given at a time. 0: all.
class Splits {
 public:
  Splits(uint32_t seed, std::size_t most) : state_(seed), most_(most) {}

  std::size_t next() {
    if (most_ == 0) return SIZE_MAX;
    state_ = state_ * 1664525U + 1013904223U;
    return 1 + (state_ >> 16U) % most_;
  }

 private:
  uint32_t state_;
  std::size_t most_;
};

void check_head(const RequestHead& head) {
  REQUIRE_THAT(is_token(head.method_text));
  REQUIRE_THAT(!head.target.empty() && run_length(head.target, kTargetChar) == head.target.size());
  REQUIRE_THAT(head.path.starts_with('/') || (head.path == "*" && head.method == Method::options) ||
               (head.path.empty() && head.method == Method::connect));
  REQUIRE_THAT(head.minor_version <= 1);
  REQUIRE_THAT(head.minor_version == 0 || !head.host.empty());
  REQUIRE_THAT(head.host.empty() || is_valid_host(head.host));
  REQUIRE_THAT(!head.expects_continue || head.minor_version == 1);
  for (const Field& field : head.fields) {
    REQUIRE_THAT(is_token(field.name));
    REQUIRE_THAT(run_length(field.value, kValueChar) == field.value.size());
    REQUIRE_THAT(trim_white_space(field.value) == field.value);
  }
  const std::size_t lengths = head.fields.count("Content-Length");
  const std::size_t codings = head.fields.count("Transfer-Encoding");
  REQUIRE_THAT(lengths + codings <= 1);
  REQUIRE_THAT((codings == 1) == (head.framing == BodyFraming::chunked));
  REQUIRE_THAT((lengths == 1) == (head.framing == BodyFraming::content_length));
  REQUIRE_THAT(head.content_length <= static_cast<uint64_t>(INT64_MAX));
}

std::string describe(const RequestHead& head) {
  std::string text = head.method_text + '\n' + head.target + '\n' + head.path + '\n' + head.query + '\n' + head.host;
  for (const Field& field : head.fields) text += '\n' + field.name + ':' + field.value;
  text += '\n' + std::to_string(head.content_length) + (head.keep_alive ? "k" : "c");
  return text;
}

std::string describe(const Rejection& rejection) {
  REQUIRE_THAT(rejection.status >= 400 && rejection.status <= 599);
  return std::to_string(rejection.status) + rejection.code + rejection.reason;
}

Outcome run(std::string_view input, HttpParserLimits limits, Splits splits) {
  HttpParser parser(limits);
  Outcome outcome;
  std::array<std::byte, 4096> output;
  while (outcome.consumed < input.size() && !outcome.complete) {
    const std::string_view piece = input.substr(outcome.consumed, splits.next());
    if (!parser.head_complete()) {
      const auto consumed = parser.parse_head(as_bytes(piece));
      if (!consumed) {
        outcome.refusal = describe(consumed.error());
        outcome.consumed = 0;
        return outcome;
      }
      REQUIRE_THAT(*consumed <= piece.size() && *consumed > 0);
      outcome.consumed += *consumed;
      if (!parser.head_complete()) continue;
      check_head(parser.head());
      outcome.head = describe(parser.head());
      outcome.complete = parser.head().framing != BodyFraming::chunked;
      continue;
    }
    const std::size_t room = std::min(output.size(), splits.next());
    const auto decoded = parser.decode_chunked(as_bytes(piece), MutableBytes(output).first(room));
    if (!decoded) {
      outcome.refusal = describe(decoded.error());
      outcome.consumed = 0;
      return outcome;
    }
    REQUIRE_THAT(decoded->consumed <= piece.size() && decoded->produced <= std::min(room, decoded->consumed));
    outcome.body += as_text(Bytes(output).first(decoded->produced));
    outcome.consumed += decoded->consumed;
    outcome.complete = parser.body_complete();
  }
  REQUIRE_THAT(outcome.body.size() <= outcome.consumed);
  return outcome;
}

void check_every_way(std::string_view input, HttpParserLimits limits, uint32_t seed) {
  const Outcome whole = run(input, limits, Splits(0, 0));
  REQUIRE_THAT(run(input, limits, Splits(0, 1)) == whole);
  REQUIRE_THAT(run(input, limits, Splits(seed, 5)) == whole);
  REQUIRE_THAT(run(input, limits, Splits(seed, 64)) == whole);
}

}  // namespace
}  // namespace ringdrop::proto

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace ringdrop;
  using namespace ringdrop::proto;
  // The end of the input chooses the splits: so the corpus stays plain HTTP, and bytes behind the
  // message are free for it.
  uint32_t seed = 0;
  for (std::size_t i = size - std::min<std::size_t>(size, 4); i < size; ++i) seed = seed << 8U | data[i];
  const std::string_view input = as_text(Bytes(reinterpret_cast<const std::byte*>(data), size));
  check_every_way(input, HttpParserLimits{}, seed);
  HttpParserLimits tight;
  tight.target_bytes = 16;
  tight.head_bytes = 96;
  tight.fields = 4;
  tight.chunk_extension_bytes_line = 8;
  tight.chunk_extension_bytes_body = 12;
  tight.trailer_bytes = 24;
  check_every_way(input, tight, seed);
  return 0;
}
