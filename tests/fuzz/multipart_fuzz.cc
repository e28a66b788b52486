// The multipart parser under any bytes: the events, the contents and the error are the same however the input is split,
// no delimiter is left in a content, and what is accepted keeps the rules. The first byte of the input chooses the
// boundary and the limits, the second one the splits, the rest is the body.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/characters.h"
#include "proto/multipart.h"
#include "tests/fuzz/require.h"

namespace ringdrop::proto {
namespace {

constexpr std::array<std::string_view, 4> kBoundaries = {"b", "--", "a b--a", "----WebKitFormBoundary7MA4YWxkTrZu0gW"};

struct Outcome {
  std::string events;  // one character each: '(' a part begins, ')' ends, '.' the closing delimiter
  std::string parts;   // heads and contents
  std::string refusal;
  bool ended = false;

  bool operator==(const Outcome&) const = default;
};

// How much of the input is given at a time. 0: all.
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

void check_head(const PartHead& head, const MultipartLimits& limits) {
  REQUIRE_THAT(head.name.size() <= limits.part_head_bytes);
  REQUIRE_THAT(run_length(head.content_type, kValueChar) == head.content_type.size());
  REQUIRE_THAT(trim_white_space(head.content_type) == head.content_type);
  // Twice: ISO-8859-1 grows on its way to UTF-8.
  REQUIRE_THAT(!head.file_name || (head.file_name->size() <= 2 * limits.part_head_bytes &&
                                   head.file_name->find('/') == std::string::npos));
}

// The empty line before a content ends in a CRLF, which a delimiter would need.
void check_content(std::string_view content, std::string_view boundary) {
  const std::string text = "\r\n" + std::string(content);
  const std::string delimiter = "\r\n--" + std::string(boundary);
  REQUIRE_THAT(text.find(delimiter + "\r\n") == std::string::npos);
  REQUIRE_THAT(text.find(delimiter + "--") == std::string::npos);
}

Outcome run(std::string_view input, std::string_view boundary, const MultipartLimits& limits, Splits splits) {
  using Event = MultipartParser::Event;
  MultipartParser parser{std::string(boundary), limits};
  Outcome outcome;
  std::string content;
  bool goes_on = true;
  while (goes_on) {
    goes_on = !input.empty();  // the last call has none, when the input is used up
    std::string_view piece = input.substr(0, splits.next());
    input.remove_prefix(piece.size());
    while (true) {
      const auto step = parser.step(as_bytes(piece));
      if (!step) {
        outcome.refusal = std::to_string(step.error().status) + step.error().code + step.error().reason;
        goes_on = false;
        break;
      }
      REQUIRE_THAT(step->consumed <= piece.size());
      REQUIRE_THAT(step->content.empty() == (step->event != Event::content));
      piece.remove_prefix(step->consumed);
      content += as_text(step->content);
      if (step->event == Event::need_more) break;
      if (step->event == Event::part_begins) {
        const PartHead& head = parser.part();
        check_head(head, limits);
        outcome.events += '(';
        outcome.parts += head.name + '\n' + head.file_name.value_or("-") + '\n' + head.content_type + '\n';
      } else if (step->event == Event::part_ends) {
        check_content(content, boundary);
        outcome.events += ')';
        outcome.parts += content + '\n';
        content.clear();
      } else if (step->event == Event::ended) {
        outcome.events += '.';
      }
    }
    REQUIRE_THAT(!goes_on || piece.empty());
  }
  check_content(content, boundary);
  outcome.parts += content;
  outcome.ended = parser.ended();
  REQUIRE_THAT(outcome.ended == outcome.events.ends_with('.'));
  REQUIRE_THAT(static_cast<std::size_t>(std::count(outcome.events.begin(), outcome.events.end(), '(')) <= limits.parts);
  return outcome;
}

}  // namespace
}  // namespace ringdrop::proto

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace ringdrop;
  using namespace ringdrop::proto;
  if (size < 2) return 0;
  const std::string_view boundary = kBoundaries[data[0] % kBoundaries.size()];
  MultipartLimits limits;
  if ((data[0] & 4U) != 0) limits = MultipartLimits{.part_head_bytes = 64, .preamble_bytes = 8, .parts = 2};
  const uint32_t seed = data[1];
  const std::string_view body = as_text(Bytes(reinterpret_cast<const std::byte*>(data), size)).substr(2);

  const Outcome whole = run(body, boundary, limits, Splits(0, 0));
  REQUIRE_THAT(run(body, boundary, limits, Splits(0, 1)) == whole);
  REQUIRE_THAT(run(body, boundary, limits, Splits(seed, 5)) == whole);
  REQUIRE_THAT(run(body, boundary, limits, Splits(seed, 64)) == whole);
  return 0;
}
