#include "proto/http_parser.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <llhttp.h>

#include "base/check.h"
#include "proto/characters.h"
#include "proto/chunk_line_guard.h"
#include "proto/line_guard.h"
#include "proto/request_rules.h"

namespace ringdrop::proto {
namespace {

// llhttp sees another message than the guards and rules do ("Transfer-Encoding: chunked\t", in 8.1.0). Whichever is
// right, somebody on the way may have read it the other way.
Rejection disagreement() {
  return {400, "bad_request", "the message is malformed"};
}

// What the guards have passed and llhttp refuses all the same. Where the same error has two causes,
// or another one in llhttp 9, the reason names both.
Rejection rejection_of(llhttp_errno_t error) {
  switch (error) {
    case HPE_INVALID_METHOD:
    case HPE_INVALID_CONSTANT:  // a method of RTSP: the guard has seen that the version begins with
                                // HTTP/
      return {501, "unsupported_method", "the method is not known here"};
    case HPE_INVALID_URL:
      return {400, "bad_request", "the request target is malformed"};
    case HPE_INVALID_VERSION:
      return {400, "bad_request", "the request line does not end in HTTP/1.1"};
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
      return {400, "bad_request", "Content-Length is malformed, repeated or beside a Transfer-Encoding"};
    case HPE_INVALID_TRANSFER_ENCODING:
      return {400, "bad_request", "Transfer-Encoding is malformed or beside a Content-Length"};
    case HPE_INVALID_CHUNK_SIZE:
      return {400, "bad_request", "a chunk size is not a hexadecimal number"};
    default:
      return {400, "bad_request", "the message is malformed"};
  }
}

Method method_of(uint8_t method) {
  switch (method) {
    case HTTP_GET:
      return Method::get;
    case HTTP_HEAD:
      return Method::head;
    case HTTP_PUT:
      return Method::put;
    case HTTP_POST:
      return Method::post;
    case HTTP_PATCH:
      return Method::patch;
    case HTTP_DELETE:
      return Method::delete_;
    case HTTP_OPTIONS:
      return Method::options;
    case HTTP_CONNECT:
      return Method::connect;
    case HTTP_TRACE:
      return Method::trace;
    default:
      return Method::other;
  }
}

}  // namespace

class HttpParser::State {
 public:
  explicit State(HttpParserLimits limits);
  State(const State&) = delete;  // llhttp holds its address
  State& operator=(const State&) = delete;

  std::expected<std::size_t, Rejection> parse_head(std::string_view input);
  std::expected<Decoded, Rejection> decode_chunked(std::string_view input, MutableBytes output);

  // Whether head and trailers were small enough for their memory to be kept for the next message: so an idle connection
  // keeps little.
  bool worth_keeping() const {
    return message_.head_guard.bytes() + message_.trailer_guard.bytes() <= kKeptBytes &&
           head_.fields.size() <= kKeptFields;
  }
  void forget_message();

  const HttpParserLimits& limits() const { return limits_; }
  bool head_complete() const { return message_.head_complete; }
  bool head_started() const { return message_.head_guard.started(); }
  uint64_t chunk_bytes_left() const { return message_.body_state == BodyState::data ? message_.chunk_bytes_left : 0; }
  bool body_complete() const { return message_.body_state == BodyState::complete; }
  const RequestHead& head() const { return head_; }
  const Fields& trailers() const { return message_.trailers; }

 private:
  enum class BodyState : uint8_t { size_line, data, data_end, trailers, complete };

  static const llhttp_settings_t& settings();
  static State& of(llhttp_t* parser) { return *static_cast<State*>(parser->data); }

  static constexpr std::size_t kKeptBytes = 512;
  static constexpr std::size_t kKeptFields = 16;

  template <std::string State::* kText>
  static int append(llhttp_t* parser, const char* at, std::size_t length) {
    (of(parser).*kText).append(at, length);
    return 0;
  }

  std::optional<Rejection> finish_head();
  std::optional<Rejection> decode_some(std::string_view input, Decoded& decoded);
  std::optional<Rejection> decode_line(LineVerdict verdict, Decoded& decoded);
  std::optional<Rejection> decode_trailers(std::string_view input, Decoded& decoded);
  std::optional<Rejection> decode_data(std::string_view input, Decoded& decoded);
  std::optional<Rejection> execute(std::string_view bytes);

  // What one message has brought so far, but for the memory that the next one takes over: that is beside it.
  struct Message {
    explicit Message(const HttpParserLimits& limits)
        : head_guard(LineGuard::Section::head, {limits.target_bytes, limits.head_bytes, limits.fields}),
          trailer_guard(LineGuard::Section::trailers, {0, limits.trailer_bytes, limits.fields}),
          chunk_guard({limits.chunk_extension_bytes_line, limits.chunk_extension_bytes_body}) {}

    LineGuard head_guard;
    LineGuard trailer_guard;
    ChunkLineGuard chunk_guard;
    std::optional<Rejection> failure;  // errors are final

    bool headers_seen = false;   // by llhttp
    bool head_complete = false;  // and by the guard, and checked

    BodyState body_state = BodyState::size_line;
    uint64_t chunk_bytes_left = 0;
    bool chunk_header_seen = false;
    bool end_seen = false;  // by llhttp
    std::string trailer_lines;
    Fields trailers;
  };

  const HttpParserLimits limits_;
  llhttp_t parser_;
  Message message_;
  RequestHead head_;
  std::string name_;
  std::string value_;
  MutableBytes output_;  // what is left of the caller's, during a call
};

HttpParser::State::State(HttpParserLimits limits) : limits_(limits), message_(limits) {
  llhttp_init(&parser_, HTTP_REQUEST, &settings());
  parser_.data = this;
  // HTTP/1.2 is to be taken as 1.1 (RFC 9110 2.5); what is no HTTP/1.x the guard refuses. 8.1.0 has
  // no setter for it.
  parser_.lenient_flags |= LENIENT_VERSION;
}

void HttpParser::State::forget_message() {
  llhttp_reset(&parser_);
  message_ = Message(limits_);
  head_.forget();
  name_.clear();
  value_.clear();
}

const llhttp_settings_t& HttpParser::State::settings() {
  static const llhttp_settings_t kSettings = [] {
    llhttp_settings_t s;
    llhttp_settings_init(&s);
    s.on_method = [](llhttp_t* p, const char* at, std::size_t n) {
      of(p).head_.method_text.append(at, n);
      return 0;
    };
    s.on_url = [](llhttp_t* p, const char* at, std::size_t n) {
      of(p).head_.target.append(at, n);
      return 0;
    };
    s.on_header_field = append<&State::name_>;
    s.on_header_value = append<&State::value_>;
    s.on_header_value_complete = [](llhttp_t* p) {
      State& state = of(p);
      state.head_.fields.add(state.name_, trim_white_space(state.value_));
      state.name_.clear();
      state.value_.clear();
      return 0;
    };
    s.on_headers_complete = [](llhttp_t* p) -> int {
      of(p).message_.headers_seen = true;
      return HPE_PAUSED;  // the body is another call's
    };
    s.on_chunk_header = [](llhttp_t* p) {
      of(p).message_.chunk_header_seen = true;
      of(p).message_.chunk_bytes_left = p->content_length;
      return 0;
    };
    s.on_body = [](llhttp_t* p, const char* at, std::size_t n) {
      State& state = of(p);
      CHECK_THAT(n <= state.output_.size() && n <= state.message_.chunk_bytes_left);
      // In place the two may overlap, and are the same before the first framing.
      if (static_cast<const void*>(at) != state.output_.data()) std::memmove(state.output_.data(), at, n);
      state.output_ = state.output_.subspan(n);
      state.message_.chunk_bytes_left -= n;
      return 0;
    };
    s.on_message_complete = [](llhttp_t* p) -> int {
      of(p).message_.end_seen = true;
      return HPE_PAUSED;  // what follows is another message's, or another protocol's
    };
    return s;
  }();
  return kSettings;
}

// llhttp pauses only where a callback of ours asks for it; anywhere else than behind the last byte
// it has been given, the guard and llhttp would disagree on where the head or the body ends.
std::optional<Rejection> HttpParser::State::execute(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  const llhttp_errno_t error = llhttp_execute(&parser_, bytes.data(), bytes.size());
  if (error == HPE_OK) return std::nullopt;
  if (error == HPE_PAUSED && llhttp_get_error_pos(&parser_) == bytes.data() + bytes.size()) {
    llhttp_resume(&parser_);
    return std::nullopt;
  }
  return rejection_of(error);
}

std::expected<std::size_t, Rejection> HttpParser::State::parse_head(std::string_view input) {
  CHECK_THAT(!message_.head_complete);
  if (message_.failure) return std::unexpected(*message_.failure);
  const LineVerdict verdict = message_.head_guard.check(input);
  // llhttp gets what comes before a refused byte, and its refusal goes first: so the answer is the
  // one for the earliest wrong byte, whatever the split.
  message_.failure = execute(input.substr(0, verdict.passed));
  if (!message_.failure) message_.failure = verdict.refused;
  if (!message_.failure && verdict.complete) message_.failure = finish_head();
  if (message_.failure) return std::unexpected(*message_.failure);
  return verdict.passed;
}

std::optional<Rejection> HttpParser::State::finish_head() {
  if (!message_.headers_seen) return disagreement();
  head_.method = method_of(llhttp_get_method(&parser_));
  head_.minor_version = llhttp_get_http_minor(&parser_) == 0 ? 0 : 1;
  if (auto applied = apply_request_rules(head_); !applied) return applied.error();
  // Two readings of one framing: a difference is a request smuggled past one of them.
  if ((head_.framing == BodyFraming::chunked) != ((parser_.flags & F_CHUNKED) != 0)) return disagreement();
  if (head_.framing == BodyFraming::content_length && head_.content_length != parser_.content_length) {
    return disagreement();
  }
  if (head_.framing == BodyFraming::none) message_.body_state = BodyState::complete;
  message_.head_complete = true;
  return std::nullopt;
}

std::expected<HttpParser::Decoded, Rejection> HttpParser::State::decode_chunked(std::string_view input,
                                                                                MutableBytes output) {
  CHECK_THAT(message_.head_complete && head_.framing == BodyFraming::chunked);
  Decoded decoded{0, 0};
  output_ = output;
  while (!message_.failure && message_.body_state != BodyState::complete && decoded.consumed < input.size()) {
    if (message_.body_state == BodyState::data && output_.empty()) break;
    message_.failure = decode_some(input.substr(decoded.consumed), decoded);
  }
  output_ = {};
  // What came before the wrong byte is delivered first, so that the content does not depend on the
  // split either.
  if (message_.failure && decoded.produced == 0) return std::unexpected(*message_.failure);
  return decoded;
}

std::optional<Rejection> HttpParser::State::decode_some(std::string_view input, Decoded& decoded) {
  switch (message_.body_state) {
    case BodyState::size_line:
    case BodyState::data_end:
      return decode_line(message_.chunk_guard.check(input), decoded);
    case BodyState::trailers:
      return decode_trailers(input, decoded);
    case BodyState::data:
      return decode_data(input, decoded);
    case BodyState::complete:
      break;
  }
  return std::nullopt;
}

// The guard has seen that these are field lines, and bounds them.
std::optional<Rejection> HttpParser::State::decode_trailers(std::string_view input, Decoded& decoded) {
  const LineVerdict verdict = message_.trailer_guard.check(input);
  message_.trailer_lines += input.substr(0, verdict.passed);
  if (auto refused = decode_line(verdict, decoded)) return refused;
  if (message_.body_state != BodyState::complete) return std::nullopt;
  std::string_view lines = message_.trailer_lines;
  for (std::size_t end = lines.find("\r\n"); end > 0 && end != lines.npos; end = lines.find("\r\n")) {
    const std::string_view line = lines.substr(0, end);
    const std::size_t colon = line.find(':');
    if (colon == line.npos) return disagreement();
    message_.trailers.add(line.substr(0, colon), trim_white_space(line.substr(colon + 1)));
    lines.remove_prefix(end + 2);
  }
  return std::nullopt;
}

// llhttp gets a line when the guard has all of it, and without what it would make something of: chunk extensions
// (8.1.0 refuses two of them in a line) and trailers (a Content-Length there would be framing).
std::optional<Rejection> HttpParser::State::decode_line(LineVerdict verdict, Decoded& decoded) {
  decoded.consumed += verdict.passed;
  if (verdict.refused) return verdict.refused;
  if (!verdict.complete) return std::nullopt;
  constexpr std::string_view kCrLf = "\r\n";
  if (message_.body_state == BodyState::size_line) {
    message_.chunk_header_seen = false;
    if (auto refused = execute(message_.chunk_guard.size_digits())) return refused;
  }
  if (auto refused = execute(kCrLf)) return refused;
  switch (message_.body_state) {
    case BodyState::size_line:
      if (!message_.chunk_header_seen) return disagreement();
      message_.body_state = message_.chunk_bytes_left > 0 ? BodyState::data : BodyState::trailers;
      break;
    case BodyState::data_end:
      message_.chunk_guard.expect_size();
      message_.body_state = BodyState::size_line;
      break;
    case BodyState::trailers:
      if (!message_.end_seen) return disagreement();
      message_.body_state = BodyState::complete;
      break;
    case BodyState::data:
    case BodyState::complete:
      break;
  }
  return std::nullopt;
}

std::optional<Rejection> HttpParser::State::decode_data(std::string_view input, Decoded& decoded) {
  const std::size_t room = std::min(input.size(), output_.size());
  const std::size_t bytes = static_cast<std::size_t>(std::min<uint64_t>(room, message_.chunk_bytes_left));
  const std::size_t room_before = output_.size();
  if (auto refused = execute(input.substr(0, bytes))) return refused;
  if (room_before - output_.size() != bytes) return disagreement();
  decoded.consumed += bytes;
  decoded.produced += bytes;
  if (message_.chunk_bytes_left == 0) {
    message_.chunk_guard.expect_data_end();
    message_.body_state = BodyState::data_end;
  }
  return std::nullopt;
}

HttpParser::HttpParser(HttpParserLimits limits) : state_(std::make_unique<State>(limits)) {}
HttpParser::~HttpParser() = default;

std::expected<std::size_t, Rejection> HttpParser::parse_head(Bytes input) {
  return state_->parse_head(as_text(input));
}
bool HttpParser::head_complete() const {
  return state_->head_complete();
}
bool HttpParser::head_started() const {
  return state_->head_started();
}

const RequestHead& HttpParser::head() const {
  CHECK_THAT(head_complete());
  return state_->head();
}

std::expected<HttpParser::Decoded, Rejection> HttpParser::decode_chunked(Bytes input, MutableBytes output) {
  return state_->decode_chunked(as_text(input), output);
}
uint64_t HttpParser::chunk_bytes_left() const {
  return state_->chunk_bytes_left();
}
bool HttpParser::body_complete() const {
  return state_->body_complete();
}
const Fields& HttpParser::trailers() const {
  return state_->trailers();
}
void HttpParser::reset() {
  if (state_->worth_keeping()) {
    state_->forget_message();
  } else {
    state_ = std::make_unique<State>(state_->limits());
  }
}

}  // namespace ringdrop::proto
