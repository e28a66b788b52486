#include "proto/multipart_head.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "proto/characters.h"
#include "proto/content_disposition.h"
#include "proto/file_name.h"
#include "proto/uri.h"

namespace ringdrop::proto {
namespace {

std::unexpected<Rejection> bad_multipart(const char* reason) {
  return std::unexpected(Rejection{400, "bad_multipart", reason});
}

// The parameters of a Content-Disposition that say something, by their names in lower case, already unquoted.
using Parameters = std::vector<std::pair<std::string_view, std::string>>;

constexpr std::array<std::string_view, 4> kParameterNames = {"name", "name*", "filename", "filename*"};

const std::string* find_parameter(const Parameters& parameters, std::string_view name) {
  const auto found =
      std::find_if(parameters.begin(), parameters.end(), [name](const auto& entry) { return entry.first == name; });
  return found == parameters.end() ? nullptr : &found->second;
}

// What the %XX of WHATWG HTML 4.10.21.8 at the front of `text` stands for. Browsers escape these three and nothing
// else, not even '%': so any other triplet is part of the name.
std::optional<char> decode_form_escape(std::string_view text) {
  if (text.starts_with("%22")) return '"';
  if (text.starts_with("%0D")) return '\r';
  if (text.starts_with("%0A")) return '\n';
  return std::nullopt;
}

// Takes the quoted string at the front of `text`, its first '"' included, off it and unescapes it as step() says.
// nullopt: it has no end.
std::optional<std::string> take_quoted(std::string_view& text) {
  std::string value;
  text.remove_prefix(1);
  while (!text.empty() && text.front() != '"') {
    if (text.starts_with("\\\"") || text.starts_with("\\\\")) {
      value += text[1];
      text.remove_prefix(2);
    } else if (const std::optional<char> escaped = decode_form_escape(text)) {
      value += *escaped;
      text.remove_prefix(3);
    } else {
      value += text.front();
      text.remove_prefix(1);
    }
  }
  if (text.empty()) return std::nullopt;
  text.remove_prefix(1);
  return value;
}

std::string_view take_token(std::string_view& text) {
  const std::string_view token = text.substr(0, run_length(text, kTokenChar));
  text.remove_prefix(token.size());
  return token;
}

// The value at the front of `text`, taken off it: a token, or a quoted string unless the parameter is an extended one
// (RFC 8187 3.2.1: such a value is never quoted).
std::expected<std::string, Rejection> take_value(std::string_view& text, bool extended) {
  if (text.starts_with('"')) {
    if (extended) return bad_multipart("an extended parameter of a Content-Disposition is quoted");
    std::optional<std::string> value = take_quoted(text);
    if (!value) return bad_multipart("a quoted string of a Content-Disposition does not end");
    return std::move(*value);
  }
  const std::string_view token = take_token(text);
  if (token.empty()) return bad_multipart("a parameter of a Content-Disposition has no value");
  return std::string(token);
}

// parameters = *( OWS ";" OWS [ parameter ] ), RFC 9110 5.6.6. A second one of a name that we use is refused: programs
// differ in which of them they believe.
std::expected<Parameters, Rejection> parse_parameters(std::string_view text) {
  Parameters parameters;
  while (true) {
    text = trim_white_space(text);
    if (text.empty()) return parameters;
    if (text.front() != ';') return bad_multipart("a Content-Disposition is malformed");
    text = trim_white_space(text.substr(1));
    if (text.empty() || text.front() == ';') continue;

    const std::string_view name = take_token(text);
    if (name.empty() || !text.starts_with('=')) {
      return bad_multipart("a parameter of a Content-Disposition is malformed");
    }
    text.remove_prefix(1);
    auto value = take_value(text, name.ends_with('*'));
    if (!value) return std::unexpected(value.error());
    for (const std::string_view known : kParameterNames) {
      if (!equals_ignoring_case(name, known)) continue;
      if (find_parameter(parameters, known)) return bad_multipart("a Content-Disposition has a parameter twice");
      parameters.emplace_back(known, std::move(*value));
    }
  }
}

std::string latin1_to_utf8(std::string_view latin1) {
  std::string utf8;
  for (const char c : latin1) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      utf8 += c;
    } else {
      utf8 += static_cast<char>(0xc0U | byte >> 6U);
      utf8 += static_cast<char>(0x80U | (byte & 0x3fU));
    }
  }
  return utf8;
}

// ext-value = charset "'" [ language ] "'" value-chars, RFC 8187 3.2.1, as UTF-8. `text` is a token: value-chars are
// tokens' without "*" and "'" and with every '%' the beginning of a triplet.
std::optional<std::string> parse_extended_value(std::string_view text) {
  const std::size_t language = text.find('\'');
  if (language == std::string_view::npos) return std::nullopt;
  const std::size_t value = text.find('\'', language + 1);
  if (value == std::string_view::npos) return std::nullopt;
  const std::string_view charset = text.substr(0, language);
  const std::string_view encoded = text.substr(value + 1);
  if (encoded.find_first_of("*'") != std::string_view::npos) return std::nullopt;
  std::optional<std::string> decoded = percent_decode(encoded);
  if (!decoded) return std::nullopt;
  if (equals_ignoring_case(charset, "ISO-8859-1")) return latin1_to_utf8(*decoded);
  if (!equals_ignoring_case(charset, "UTF-8") || utf8_file_name(*decoded) != *decoded) return std::nullopt;
  return decoded;
}

// The parameter `name`, or its extended form when there is one (RFC 8187 4.2: that is preferred).
std::expected<std::optional<std::string>, Rejection> preferred_value(const Parameters& parameters,
                                                                     std::string_view name) {
  if (const std::string* const extended = find_parameter(parameters, std::string(name) + '*')) {
    std::optional<std::string> value = parse_extended_value(*extended);
    if (!value) return bad_multipart("an extended parameter of a Content-Disposition is malformed");
    return value;
  }
  const std::string* const plain = find_parameter(parameters, name);
  return plain ? std::optional(*plain) : std::nullopt;
}

bool looks_like_windows_path(std::string_view name) {
  if (name.starts_with("\\\\")) return true;
  const bool drive = !name.empty() && ascii_lower(name.front()) >= 'a' && ascii_lower(name.front()) <= 'z';
  return drive && name.substr(1).starts_with(":\\");
}

// RFC 7578 4.2: directory path information is not to be used. A backslash is a legal byte of a Unix name.
std::string last_path_segment(std::string name) {
  const std::size_t separator = name.find_last_of(looks_like_windows_path(name) ? "/\\" : "/");
  if (separator != std::string::npos) name.erase(0, separator + 1);
  return name;
}

// Content-Disposition: form-data; name="..."; filename="..." (RFC 7578 4.2).
std::expected<PartHead, Rejection> parse_disposition(std::string_view text) {
  if (!equals_ignoring_case(take_token(text), "form-data")) {
    return bad_multipart("the Content-Disposition of a part is not form-data");
  }
  const auto parameters = parse_parameters(text);
  if (!parameters) return std::unexpected(parameters.error());
  PartHead head;
  // RFC 7578 knows no name*, but aiohttp sends it, and it alone, for a name that is not ASCII.
  auto name = preferred_value(*parameters, "name");
  if (!name) return std::unexpected(name.error());
  if (!*name) return bad_multipart("the Content-Disposition of a part has no name");
  head.name = std::move(**name);
  auto file_name = preferred_value(*parameters, "filename");
  if (!file_name) return std::unexpected(file_name.error());
  if (*file_name) head.file_name = last_path_segment(std::move(**file_name));
  return head;
}

}  // namespace

std::optional<std::string> disposition_file_name(std::string_view field) {
  if (take_token(field).empty()) return std::nullopt;
  const auto parameters = parse_parameters(field);
  if (!parameters) return std::nullopt;
  auto name = preferred_value(*parameters, "filename");
  if (!name) return std::nullopt;
  return *name ? last_path_segment(std::move(**name)) : std::string();
}

std::expected<void, Rejection> PartHeadReader::add_line(std::string_view line) {
  // RFC 9112 5.2: a folded line begins with white space; nobody sends one but to confuse.
  if (line.starts_with(' ') || line.starts_with('\t')) return bad_multipart("a field line of a part is folded");
  const std::size_t name_bytes = run_length(line, kTokenChar);
  // RFC 9112 5.1: no white space between the name and the colon.
  if (name_bytes == 0 || !line.substr(name_bytes).starts_with(':')) {
    return bad_multipart("a field line of a part is malformed");
  }
  const std::string_view value = line.substr(name_bytes + 1);
  if (run_length(value, kValueChar) != value.size()) {
    return bad_multipart("a field of a part holds a control character");
  }
  fields_.add(line.substr(0, name_bytes), trim_white_space(value));
  return {};
}

std::expected<PartHead, Rejection> PartHeadReader::finish() const {
  const std::size_t dispositions = fields_.count("Content-Disposition");
  if (dispositions == 0) return bad_multipart("a part has no Content-Disposition");
  if (dispositions > 1) return bad_multipart("a part has more than one Content-Disposition");
  if (fields_.count("Content-Type") > 1) return bad_multipart("a part has more than one Content-Type");
  for (const Field& field : fields_) {
    if (!equals_ignoring_case(field.name, "Content-Transfer-Encoding")) continue;
    // RFC 7578 4.7 deprecates the field; these three values (RFC 2045 6.2) leave the content as it is.
    const bool identity = equals_ignoring_case(field.value, "7bit") || equals_ignoring_case(field.value, "8bit") ||
                          equals_ignoring_case(field.value, "binary");
    if (!identity) return bad_multipart("the Content-Transfer-Encoding of a part is not 7bit, 8bit or binary");
  }
  auto head = parse_disposition(*fields_.find("Content-Disposition"));
  if (head) head->content_type = fields_.find("Content-Type").value_or("");
  return head;
}

}  // namespace ringdrop::proto
