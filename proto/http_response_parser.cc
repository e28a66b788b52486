#include "proto/http_response_parser.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "proto/characters.h"
#include "proto/chunk_line_guard.h"
#include "proto/line_guard.h"

namespace ringdrop::proto {
namespace {

using Fault = std::optional<MalformedResponse>;

constexpr std::string_view kVersion = "HTTP/1.";
constexpr std::size_t kStatusAt = 9;                     // "HTTP/1.1 "
constexpr std::size_t kStatusLineBytes = kStatusAt + 3;  // without the reason phrase

// "HTTP/1.1 200 OK" without its CRLF (RFC 9112 4). The space behind the status may be missing with the reason.
Fault read_status_line(std::string_view line, ReceivedHead& head) {
  if (!line.starts_with("HTTP/")) return MalformedResponse{"the answer is not HTTP"};
  if (!line.starts_with(kVersion)) return MalformedResponse{"the answer is not HTTP/1.1"};
  const bool shaped =
      line.size() >= kStatusLineBytes && is_digit(line[kVersion.size()]) && line[kStatusAt - 1] == ' ' &&
      (line.size() == kStatusLineBytes || line[kStatusLineBytes] == ' ') && run_length(line, kValueChar) == line.size();
  if (!shaped) return MalformedResponse{"the status line is malformed"};
  const char* const end = line.data() + kStatusLineBytes;
  const auto [stopped, error] = std::from_chars(line.data() + kStatusAt, end, head.status);
  if (error != std::errc{} || stopped != end || head.status < 100) return MalformedResponse{"the status is malformed"};
  head.minor_version = line[kVersion.size()] == '0' ? 0 : 1;
  return std::nullopt;
}

Fault read_content_length(ReceivedHead& head) {
  if (head.fields.count("Content-Length") > 1) return MalformedResponse{"there is more than one Content-Length"};
  const std::string_view value = *head.fields.find("Content-Length");
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), head.content_length);
  if (value.empty() || error != std::errc{} || end != value.data() + value.size() ||
      head.content_length > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return MalformedResponse{"Content-Length is not a decimal number below 2^63"};
  }
  head.framing = ResponseFraming::content_length;
  return std::nullopt;
}

// RFC 9112 6.3. A response with both framings, or with a coding besides chunked, is nobody's whom we want to talk to.
Fault read_framing(ReceivedHead& head, bool to_head) {
  const bool coded = head.fields.count("Transfer-Encoding") > 0;
  const bool counted = head.fields.count("Content-Length") > 0;
  if (coded && counted) return MalformedResponse{"there is both Transfer-Encoding and Content-Length"};
  if (coded && !equals_ignoring_case(head.fields.joined("Transfer-Encoding"), "chunked")) {
    return MalformedResponse{"the transfer coding is not chunked"};
  }
  if (counted) {
    if (const Fault fault = read_content_length(head)) return fault;
  } else {
    head.framing = coded ? ResponseFraming::chunked : ResponseFraming::until_close;
  }
  if (to_head || head.status < 200 || head.status == 204 || head.status == 304) head.framing = ResponseFraming::none;
  return std::nullopt;
}

}  // namespace

class HttpResponseParser::State {
 public:
  State(const HttpResponseLimits& limits, bool to_head)
      : limits_(limits),
        to_head_(to_head),
        field_guard_(LineGuard::Section::trailers, {0, limits.head_bytes, limits.fields}),
        trailer_guard_(LineGuard::Section::trailers, {0, limits.trailer_bytes, limits.fields}),
        chunk_guard_({limits.chunk_extension_bytes_line, limits.chunk_extension_bytes_body}) {}

  std::expected<std::size_t, MalformedResponse> parse_head(std::string_view input);
  std::expected<Decoded, MalformedResponse> decode(std::string_view input, MutableBytes output);

  bool head_complete() const { return place_ > Place::fields; }
  bool head_started() const { return place_ > Place::status_line || !line_.empty(); }
  bool body_complete() const { return place_ == Place::complete; }
  bool finish_by_close() {
    if (place_ == Place::until_close) place_ = Place::complete;
    return body_complete();
  }
  const ReceivedHead& head() const { return head_; }

 private:
  enum class Place : uint8_t {
    status_line,
    fields,
    counted,
    size_line,
    data,
    data_end,
    trailers,
    until_close,
    complete
  };

  Fault take_status_line(std::string_view input, std::size_t& consumed);
  Fault take_fields(std::string_view input, std::size_t& consumed);
  Fault finish_head();
  Fault decode_some(std::string_view input, MutableBytes output, Decoded& decoded);
  Fault pass_line(const LineVerdict& verdict, Decoded& decoded);
  void copy(std::string_view input, MutableBytes output, uint64_t most, Decoded& decoded);

  const HttpResponseLimits& limits_;
  const bool to_head_;
  Place place_ = Place::status_line;
  std::string line_;  // the status line, then the field lines, as they arrived
  LineGuard field_guard_;
  LineGuard trailer_guard_;
  ChunkLineGuard chunk_guard_;
  uint64_t left_ = 0;  // of the body or of the chunk
  Fault failure_;
  ReceivedHead head_;
};

Fault HttpResponseParser::State::take_status_line(std::string_view input, std::size_t& consumed) {
  for (const char c : input.substr(consumed)) {
    ++consumed;
    if (c == '\n') {
      if (!line_.ends_with('\r')) return MalformedResponse{"the status line ends with LF without CR"};
      line_.pop_back();
      if (const Fault fault = read_status_line(line_, head_)) return fault;
      line_.clear();
      place_ = Place::fields;
      return std::nullopt;
    }
    // What is no HTTP is to be refused at its first bytes, not when a line of it has ended.
    constexpr std::string_view kBegin = "HTTP/";
    if (line_.size() < kBegin.size() && c != kBegin[line_.size()]) return MalformedResponse{"the answer is not HTTP"};
    if (line_.size() >= limits_.head_bytes) return MalformedResponse{"the status line is too long"};
    if (line_.ends_with('\r') || (is_control(c) && c != '\r' && c != '\t')) {
      return MalformedResponse{"the status line contains a control character"};
    }
    line_ += c;
  }
  return std::nullopt;
}

Fault HttpResponseParser::State::take_fields(std::string_view input, std::size_t& consumed) {
  const LineVerdict verdict = field_guard_.check(input.substr(consumed));
  line_.append(input.substr(consumed, verdict.passed));
  consumed += verdict.passed;
  if (verdict.refused) return MalformedResponse{verdict.refused->reason};
  return verdict.complete ? finish_head() : std::nullopt;
}

// The guard has seen that `line_` is "name: value\r\n" again and again, then "\r\n".
Fault HttpResponseParser::State::finish_head() {
  constexpr std::string_view kCrLf = "\r\n";
  std::string_view rest = line_;
  while (rest != kCrLf) {
    const std::string_view line = rest.substr(0, rest.find(kCrLf));
    const std::size_t colon = line.find(':');
    CHECK_THAT(colon < line.size());
    head_.fields.add(line.substr(0, colon), trim_white_space(line.substr(colon + 1)));
    rest.remove_prefix(line.size() + kCrLf.size());
  }
  if (const Fault fault = read_framing(head_, to_head_)) return fault;
  const std::string connection = head_.fields.joined("Connection");
  const bool asked_to_stay = head_.minor_version > 0 || list_contains(connection, "keep-alive");
  head_.keep_alive =
      asked_to_stay && !list_contains(connection, "close") && head_.framing != ResponseFraming::until_close;
  switch (head_.framing) {
    case ResponseFraming::none:
      place_ = Place::complete;
      break;
    case ResponseFraming::content_length:
      left_ = head_.content_length;
      place_ = left_ > 0 ? Place::counted : Place::complete;
      break;
    case ResponseFraming::chunked:
      place_ = Place::size_line;
      break;
    case ResponseFraming::until_close:
      place_ = Place::until_close;
      break;
  }
  return std::nullopt;
}

std::expected<std::size_t, MalformedResponse> HttpResponseParser::State::parse_head(std::string_view input) {
  CHECK_THAT(!head_complete());
  std::size_t consumed = 0;
  if (!failure_ && place_ == Place::status_line) failure_ = take_status_line(input, consumed);
  if (!failure_ && place_ == Place::fields) failure_ = take_fields(input, consumed);
  if (failure_) return std::unexpected(*failure_);
  return consumed;
}

std::expected<HttpResponseParser::Decoded, MalformedResponse> HttpResponseParser::State::decode(std::string_view input,
                                                                                                MutableBytes output) {
  CHECK_THAT(head_complete());
  Decoded decoded{0, 0};
  while (!failure_ && place_ != Place::complete && decoded.consumed < input.size()) {
    const bool content = place_ == Place::counted || place_ == Place::data || place_ == Place::until_close;
    if (content && decoded.produced == output.size()) break;
    failure_ = decode_some(input.substr(decoded.consumed), output.subspan(decoded.produced), decoded);
  }
  // Content before the wrong byte is delivered first, so that it does not depend on the split.
  if (failure_ && decoded.produced == 0) return std::unexpected(*failure_);
  return decoded;
}

void HttpResponseParser::State::copy(std::string_view input, MutableBytes output, uint64_t most, Decoded& decoded) {
  const auto bytes = static_cast<std::size_t>(std::min<uint64_t>(std::min(input.size(), output.size()), most));
  std::memcpy(output.data(), input.data(), bytes);
  decoded.consumed += bytes;
  decoded.produced += bytes;
  left_ -= std::min<uint64_t>(left_, bytes);
}

Fault HttpResponseParser::State::decode_some(std::string_view input, MutableBytes output, Decoded& decoded) {
  switch (place_) {
    case Place::until_close:
      copy(input, output, std::numeric_limits<uint64_t>::max(), decoded);
      return std::nullopt;
    case Place::counted:
      copy(input, output, left_, decoded);
      if (left_ == 0) place_ = Place::complete;
      return std::nullopt;
    case Place::data:
      copy(input, output, left_, decoded);
      if (left_ > 0) return std::nullopt;
      chunk_guard_.expect_data_end();
      place_ = Place::data_end;
      return std::nullopt;
    case Place::size_line:
    case Place::data_end:
      return pass_line(chunk_guard_.check(input), decoded);
    case Place::trailers:
      return pass_line(trailer_guard_.check(input), decoded);
    default:
      return std::nullopt;
  }
}

// The lines around chunks (RFC 9112 7.1). Extensions and trailers are checked and dropped.
Fault HttpResponseParser::State::pass_line(const LineVerdict& verdict, Decoded& decoded) {
  decoded.consumed += verdict.passed;
  if (verdict.refused) return MalformedResponse{verdict.refused->reason};
  if (!verdict.complete) return std::nullopt;
  if (place_ == Place::trailers) {
    place_ = Place::complete;
  } else if (place_ == Place::data_end) {
    chunk_guard_.expect_size();
    place_ = Place::size_line;
  } else {
    const std::string_view digits = chunk_guard_.size_digits();
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), left_, 16);
    if (error != std::errc{} || end != digits.data() + digits.size()) {
      return MalformedResponse{"a chunk size is not a hexadecimal number"};
    }
    place_ = left_ > 0 ? Place::data : Place::trailers;
  }
  return std::nullopt;
}

HttpResponseParser::HttpResponseParser(HttpResponseLimits limits)
    : limits_(limits), state_(std::make_unique<State>(limits_, false)) {}
HttpResponseParser::~HttpResponseParser() = default;

void HttpResponseParser::expect(bool to_head) {
  state_ = std::make_unique<State>(limits_, to_head);
}
std::expected<std::size_t, MalformedResponse> HttpResponseParser::parse_head(Bytes input) {
  return state_->parse_head(as_text(input));
}
bool HttpResponseParser::head_complete() const {
  return state_->head_complete();
}
bool HttpResponseParser::head_started() const {
  return state_->head_started();
}
const ReceivedHead& HttpResponseParser::head() const {
  CHECK_THAT(head_complete());
  return state_->head();
}
std::expected<HttpResponseParser::Decoded, MalformedResponse> HttpResponseParser::decode(Bytes input,
                                                                                         MutableBytes output) {
  return state_->decode(as_text(input), output);
}
bool HttpResponseParser::body_complete() const {
  return state_->body_complete();
}
bool HttpResponseParser::finish_by_close() {
  return state_->finish_by_close();
}

}  // namespace ringdrop::proto
