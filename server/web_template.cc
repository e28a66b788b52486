#include "server/web_template.h"

#include "proto/file_name.h"

namespace ringdrop::server {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

bool is_unspeakable(char byte) {
  return (byte >= 0 && byte < ' ' && byte != '\t' && byte != '\n' && byte != '\r') || byte == '\x7f';
}

std::string_view value_of(const PageFields& fields, std::string_view name) {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace

std::string escape_html(std::string_view text) {
  const std::string valid = proto::utf8_file_name(text);
  std::string escaped;
  escaped.reserve(valid.size());
  for (const char byte : valid) {
    switch (byte) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        if (is_unspeakable(byte)) {
          escaped += kReplacement;
        } else {
          escaped += byte;
        }
    }
  }
  return escaped;
}

std::string fill_page(std::string_view page, const PageFields& fields) {
  std::string filled;
  for (;;) {
    const std::size_t mark = page.find("[[");
    const std::size_t end = page.find("]]", mark == page.npos ? page.size() : mark);
    filled += page.substr(0, end == page.npos ? page.npos : mark);
    if (end == page.npos) return filled;
    const std::string_view name = page.substr(mark + 2, end - mark - 2);
    page.remove_prefix(end + 2);
    if (name.starts_with('/')) continue;
    if (!name.starts_with('?')) {
      filled += escape_html(value_of(fields, name));
      continue;
    }
    if (!value_of(fields, name.substr(1)).empty()) continue;
    const std::string closing = "[[/" + std::string(name.substr(1)) + "]]";
    const std::size_t after = page.find(closing);
    page.remove_prefix(after == page.npos ? page.size() : after + closing.size());
  }
}

}  // namespace ringdrop::server
