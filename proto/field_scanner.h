// Reads a field value from its front, by the rules that most fields are made of (RFC 9110 5.6): tokens, quoted strings,
// white space, single characters. Pure; one pass. What is taken is gone from the front; what is not there leaves it be.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "proto/characters.h"

namespace ringdrop::proto {

class FieldScanner {
 public:
  // `text` outlives the scanner and the views it gives.
  explicit FieldScanner(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void skip_white_space() {  // OWS, RFC 9110 5.6.3
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
  }

  // "" where there is none.
  std::string_view take_token() {  // RFC 9110 5.6.2
    const std::string_view token = rest_.substr(0, run_length(rest_, kTokenChar));
    rest_.remove_prefix(token.size());
    return token;
  }

  // Without its quotes and backslashes. nullopt where there is none, or one with no end or with a control in it; then
  // the scanner stands anywhere.
  std::optional<std::string> take_quoted_string() {  // RFC 9110 5.6.4
    if (!take('"')) return std::nullopt;
    std::string text;
    while (!rest_.empty()) {
      if (take('"')) return text;
      take('\\');  // quoted-pair: the next one stands for itself
      if (rest_.empty() || !is_in(rest_.front(), kValueChar)) return std::nullopt;
      text += rest_.front();
      rest_.remove_prefix(1);
    }
    return std::nullopt;
  }

  // The value of a parameter: token / quoted-string (RFC 9110 5.6.6).
  std::optional<std::string> take_parameter_value() {
    if (rest_.starts_with('"')) return take_quoted_string();
    const std::string_view token = take_token();
    if (token.empty()) return std::nullopt;
    return std::string(token);
  }

 private:
  std::string_view rest_;
};

}  // namespace ringdrop::proto
