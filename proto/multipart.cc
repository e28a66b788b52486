#include "proto/multipart.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "proto/characters.h"
#include "proto/media_type.h"
#include "proto/multipart_head.h"

namespace ringdrop::proto {
namespace {

constexpr std::size_t kBoundaryCharacters = 70;  // RFC 2046 5.1.1
// White space behind a boundary is a transport's padding (RFC 2046 5.1.1), which no client sends. With more of it a
// line is content: what may yet become a delimiter is held back, and that must be bounded.
constexpr std::size_t kPaddingBytes = 64;
constexpr std::string_view kLineEnd = "\r\n";

std::unexpected<Rejection> bad_multipart(const char* reason) {
  return std::unexpected(Rejection{400, "bad_multipart", reason});
}

// What bytes are, from the CR on that may begin a delimiter.
enum class Match : uint8_t {
  no,       // content
  partial,  // all of them are the beginning of a delimiter
  opening,  // a delimiter that a part follows
  closing,  // the close-delimiter
};

struct Delimiter {
  Match match = Match::no;
  std::size_t bytes = 0;  // of an opening or closing one, from the CR on
};

// Where content ends within bytes, and what comes there: partial bytes reach to the end; no: all is content.
struct Found {
  std::size_t at = 0;
  Delimiter delimiter;
};

// Finds delimiters. No delimiter begins within another one: CR is no bchar, so it is the first byte of "\r\n--boundary"
// and nowhere else in it, and the CR of a line end that is broken off is followed by no LF. Hence nothing is looked at
// again when a match breaks off, and time is linear for hostile content too.
class DelimiterFinder {
 public:
  explicit DelimiterFinder(std::string_view boundary) : delimiter_("\r\n--") { delimiter_ += boundary; }

  // Bytes of the longest delimiter that is told apart from content.
  std::size_t longest() const { return delimiter_.size() + kPaddingBytes + kLineEnd.size(); }

  // delimiter = CRLF "--" boundary; then transport-padding CRLF, or "--" (RFC 2046 5.1.1). Behind "--" nothing is
  // asked: the body may end there.
  Delimiter match(std::string_view text) const {
    const std::size_t shared = std::min(text.size(), delimiter_.size());
    if (std::memcmp(text.data(), delimiter_.data(), shared) != 0) return {Match::no, 0};
    if (shared < delimiter_.size()) return {Match::partial, 0};
    const std::string_view tail = text.substr(shared);
    if (tail.starts_with("--")) return {Match::closing, shared + 2};
    if (tail == "-") return {Match::partial, 0};
    std::size_t padding = 0;
    while (padding < tail.size() && (tail[padding] == ' ' || tail[padding] == '\t')) {
      if (++padding > kPaddingBytes) return {Match::no, 0};
    }
    const std::string_view end = tail.substr(padding, kLineEnd.size());
    if (end == kLineEnd) return {Match::opening, shared + padding + kLineEnd.size()};
    return {kLineEnd.starts_with(end) ? Match::partial : Match::no, 0};
  }

  // The first delimiter in `text`, or the beginning of one at its end. memmem skips by almost the length of the
  // delimiter at a time where memchr would stop at every CR.
  Found find(std::string_view text) const {
    std::size_t at = 0;
    while (const void* const hit = ::memmem(text.data() + at, text.size() - at, delimiter_.data(), delimiter_.size())) {
      at = static_cast<std::size_t>(static_cast<const char*>(hit) - text.data());
      const Delimiter delimiter = match(text.substr(at));
      if (delimiter.match != Match::no) return {at, delimiter};
      at += delimiter_.size();
    }
    // Only the last CR may begin what is shorter than a delimiter.
    const std::size_t tail = std::max(at, text.size() - std::min(text.size(), delimiter_.size()));
    const std::size_t last = text.substr(tail).rfind('\r');
    if (last == std::string_view::npos) return {text.size(), {}};
    const Delimiter delimiter = match(text.substr(tail + last));
    if (delimiter.match != Match::no) return {tail + last, delimiter};
    return {text.size(), {}};
  }

 private:
  std::string delimiter_;  // "\r\n--boundary"
};

}  // namespace

class MultipartParser::State {
 public:
  State(std::string_view boundary, MultipartLimits limits) : limits_(limits), finder_(boundary) {
    if (!is_valid_boundary(boundary)) {
      error_ = bad_multipart("the boundary is not 1 to 70 characters of RFC 2046").error();
    }
    held_.reserve(finder_.longest());
    begin_text(Where::preamble);
  }

  std::expected<Step, Rejection> step(Bytes input) {
    std::string_view text = as_text(input);
    while (!error_) {
      const bool used_up = text.empty();
      const auto step = step_once(text);
      if (!step) {
        error_ = step.error();
      } else if (step->event != Event::need_more) {
        return Step{step->event, input.size() - text.size(), step->content};
      } else if (used_up) {
        return Step{Event::need_more, input.size(), {}};
      }
    }
    return std::unexpected(*error_);
  }

  const PartHead& part() const { return part_; }
  bool ended() const { return where_ == Where::closed || where_ == Where::epilogue; }

 private:
  enum class Where : uint8_t { preamble, head, content, closed, epilogue };
  struct Happened {
    Event event = Event::need_more;  // nothing to tell
    Bytes content;
  };
  using Outcome = std::expected<Happened, Rejection>;

  // Goes on by one state at least and takes what it looked at off the front of `text`.
  Outcome step_once(std::string_view& text) {
    switch (where_) {
      case Where::preamble:
      case Where::content:
        return held_.empty() ? search(text) : resume(text);
      case Where::head:
        return read_head(text);
      case Where::closed:
        where_ = Where::epilogue;
        return Happened{Event::ended, {}};
      case Where::epilogue:
        break;
    }
    const std::size_t bytes = text.size();
    text.remove_prefix(bytes);
    return skip(bytes);
  }

  // Preamble or content follows. A boundary right at its beginning counts: as if a CRLF had been read that is no
  // content. For the content of a part that is the CRLF of the empty line before it (RFC 2046 5.1.1: a body-part may
  // consist of its fields alone).
  void begin_text(Where where) {
    where_ = where;
    held_ = kLineEnd;
    imagined_ = kLineEnd.size();
    skipped_ = 0;
  }

  // Nothing is held back: looks for the next delimiter in `text`.
  Outcome search(std::string_view& text) {
    if (text.empty()) return Happened{};
    const Found found = finder_.find(text);
    const std::string_view content = text.substr(0, found.at);
    if (!content.empty()) {
      text.remove_prefix(content.size());
      return give(content);
    }
    if (found.delimiter.match == Match::partial) {
      held_ = text;
      text.remove_prefix(text.size());
    } else if (found.delimiter.match != Match::no) {
      text.remove_prefix(found.delimiter.bytes);
      return pass_delimiter(found.delimiter.match);
    }
    return Happened{};
  }

  // Something is held back: with more bytes it becomes a delimiter or content, or is still undecided.
  Outcome resume(std::string_view& text) {
    const std::size_t held = held_.size();
    const std::size_t room = finder_.longest() - std::min(finder_.longest(), held);
    held_ += text.substr(0, room);
    const Delimiter delimiter = finder_.match(held_);
    if (delimiter.match == Match::partial) {
      text.remove_prefix(held_.size() - held);
      return Happened{};
    }
    if (delimiter.match == Match::no) {
      // All that was held back is content, and none of it begins a delimiter (see DelimiterFinder).
      released_.assign(held_, imagined_, held - imagined_);
      let_go();
      return released_.empty() ? Outcome(Happened{}) : give(released_);
    }
    text.remove_prefix(delimiter.bytes - held);
    let_go();
    return pass_delimiter(delimiter.match);
  }

  void let_go() {
    held_.clear();
    imagined_ = 0;
  }

  Outcome give(std::string_view content) {
    if (where_ == Where::preamble) return skip(content.size());
    return Happened{Event::content, as_bytes(content)};
  }

  // Preamble and epilogue are to be ignored (RFC 2046 5.1.1).
  Outcome skip(std::size_t bytes) {
    if (bytes > limits_.preamble_bytes - skipped_) {
      return bad_multipart(where_ == Where::preamble ? "what precedes the first part is too long"
                                                     : "what follows the last part is too long");
    }
    skipped_ += bytes;
    return Happened{};
  }

  Outcome pass_delimiter(Match match) {
    const bool part_ends = where_ == Where::content;
    skipped_ = 0;
    where_ = match == Match::closing ? Where::closed : Where::head;
    line_.clear();
    head_bytes_ = 0;
    reader_ = {};
    return Happened{part_ends ? Event::part_ends : Event::need_more, {}};
  }

  // Up to one line of a part's head. The limit is looked at before the line is, so that the answer does not depend on
  // whether the end of the line had come when the limit was crossed.
  Outcome read_head(std::string_view& text) {
    if (parts_ == limits_.parts) {
      return std::unexpected(Rejection{400, "too_many_parts", "the body has too many parts"});
    }
    const std::size_t line_feed = text.find('\n');
    const std::size_t bytes = line_feed == std::string_view::npos ? text.size() : line_feed + 1;
    if (bytes > limits_.part_head_bytes - head_bytes_) {
      return std::unexpected(Rejection{431, "part_header_too_large", "the fields of a part are too large"});
    }
    head_bytes_ += bytes;
    line_ += text.substr(0, bytes);
    text.remove_prefix(bytes);
    if (!line_.ends_with('\n')) return Happened{};
    if (!line_.ends_with(kLineEnd)) return bad_multipart("a line of a part's head does not end in CRLF");
    line_.resize(line_.size() - kLineEnd.size());
    if (line_.empty()) return begin_part();
    if (const auto accepted = reader_.add_line(line_); !accepted) return std::unexpected(accepted.error());
    line_.clear();
    return Happened{};
  }

  Outcome begin_part() {
    auto head = reader_.finish();
    if (!head) return std::unexpected(head.error());
    part_ = std::move(*head);
    ++parts_;
    begin_text(Where::content);
    return Happened{Event::part_begins, {}};
  }

  MultipartLimits limits_;
  DelimiterFinder finder_;
  Where where_ = Where::preamble;
  std::optional<Rejection> error_;

  std::string held_;  // bytes that are perhaps the beginning of a delimiter; its first `imagined_` were never sent
  std::size_t imagined_ = 0;  // bytes
  std::string released_;      // what was held back and is content: lives until the next call
  std::size_t skipped_ = 0;   // bytes of the preamble or epilogue

  std::string line_;            // of a part's head, as far as it has come
  std::size_t head_bytes_ = 0;  // of the head, line_ included
  PartHeadReader reader_;
  PartHead part_;
  std::size_t parts_ = 0;  // whose heads were read
};

MultipartParser::MultipartParser(std::string boundary, MultipartLimits limits)
    : state_(std::make_unique<State>(boundary, limits)) {}

MultipartParser::~MultipartParser() = default;

std::expected<MultipartParser::Step, Rejection> MultipartParser::step(Bytes input) {
  return state_->step(input);
}

const PartHead& MultipartParser::part() const {
  return state_->part();
}

bool MultipartParser::ended() const {
  return state_->ended();
}

bool is_form_data(std::string_view content_type) {
  const std::string_view type = trim_white_space(content_type.substr(0, content_type.find(';')));
  return equals_ignoring_case(type, "multipart/form-data");
}

std::optional<std::string> form_boundary(std::string_view content_type) {
  constexpr std::string_view kName = "boundary=";
  std::string boundary;
  if (const std::optional<MediaType> parsed = parse_media_type(content_type)) {
    boundary = parsed->parameter("boundary").value_or("");
  } else {
    std::string_view rest = content_type;
    while (!rest.empty() && !equals_ignoring_case(rest.substr(0, kName.size()), kName)) {
      const std::size_t next = rest.find(';');
      rest = next == rest.npos ? std::string_view() : trim_white_space(rest.substr(next + 1));
    }
    if (!rest.empty()) boundary = trim_white_space(rest.substr(kName.size(), rest.find(';') - kName.size()));
    if (boundary.find(' ') != boundary.npos) return std::nullopt;
  }
  if (!is_valid_boundary(boundary)) return std::nullopt;
  return boundary;
}

bool is_valid_boundary(std::string_view boundary) {
  if (boundary.empty() || boundary.size() > kBoundaryCharacters || boundary.ends_with(' ')) return false;
  // bchars = DIGIT / ALPHA / these (RFC 2046 5.1.1)
  return std::all_of(boundary.begin(), boundary.end(), [](char c) {
    return detail::is_alphanumeric(static_cast<unsigned char>(c)) ||
           std::string_view("'()+_,-./:=? ").find(c) != std::string_view::npos;
  });
}

}  // namespace ringdrop::proto
