#include "tests/bench/load/response.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include <strings.h>

namespace load {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// The whole text as a decimal number.
bool parse_number(std::string_view text, uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

void ResponseReader::reset() {
  filled_ = 0;
  has_head_ = false;
  missing_ = 0;
  response_ = Response();
}

bool ResponseReader::received(std::size_t bytes) {
  filled_ += bytes;
  while (!has_head_) {
    const auto found = std::string_view(buffer_, filled_).find("\r\n\r\n");
    if (found == std::string_view::npos) return filled_ < sizeof buffer_;
    const std::size_t head_bytes = found + 4;
    if (!parse_head(head_bytes)) return false;
    std::memmove(buffer_, buffer_ + head_bytes, filled_ - head_bytes);
    filled_ -= head_bytes;
    if (response_.status < 200) {
      response_ = Response();
      continue;
    }
    has_head_ = true;
    if (filled_ > response_.body_bytes) return false;  // one request at a time: nothing may follow
    missing_ = response_.body_bytes - filled_;
  }
  return true;
}

bool ResponseReader::parse_head(std::size_t head_bytes) {
  std::string_view head(buffer_, head_bytes - 2);
  uint64_t status = 0;
  if (!head.starts_with("HTTP/1.") || head.size() < 12 || !parse_number(head.substr(9, 3), status)) return false;
  response_.status = static_cast<int>(status);
  while (!head.empty()) {
    const std::string_view line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(std::min(head.size(), line.size() + 2));
    const auto colon = line.find(':');
    if (colon == line.npos) continue;
    const std::string_view name = line.substr(0, colon);
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    if (same_name(name, "content-length")) {
      if (!parse_number(value, response_.body_bytes)) return false;
    } else if (same_name(name, "connection")) {
      response_.closes = same_name(value, "close");
    } else if (same_name(name, "location")) {
      response_.location = value;
    } else if (same_name(name, "transfer-encoding")) {
      return false;
    }
  }
  return true;
}

}  // namespace load
