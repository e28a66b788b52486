#include "proto/http_response.h"

#include <array>
#include <charconv>

#include "base/check.h"
#include "proto/characters.h"

namespace ringdrop::proto {

// The IANA registry of HTTP status codes; 104 is registered for resumable uploads
// (draft-ietf-httpbis-resumable-upload).
std::string_view reason_phrase(uint16_t status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 102:
      return "Processing";
    case 103:
      return "Early Hints";
    case 104:
      return "Upload Resumption Supported";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 203:
      return "Non-Authoritative Information";
    case 204:
      return "No Content";
    case 205:
      return "Reset Content";
    case 206:
      return "Partial Content";
    case 207:
      return "Multi-Status";
    case 208:
      return "Already Reported";
    case 226:
      return "IM Used";
    case 300:
      return "Multiple Choices";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 305:
      return "Use Proxy";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 407:
      return "Proxy Authentication Required";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 423:
      return "Locked";
    case 424:
      return "Failed Dependency";
    case 425:
      return "Too Early";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 451:
      return "Unavailable For Legal Reasons";
    case 460:
      return "Checksum Mismatch";  // tus 1.0.0, checksum
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 506:
      return "Variant Also Negotiates";
    case 507:
      return "Insufficient Storage";
    case 508:
      return "Loop Detected";
    case 511:
      return "Network Authentication Required";
    default:
      return "";
  }
}

void append_status_line(std::string& text, uint16_t status) {
  CHECK_THAT(status >= 100 && status <= 999);  // status-code = 3DIGIT, RFC 9112 4
  text += "HTTP/1.1 ";
  text += static_cast<char>('0' + status / 100);
  text += static_cast<char>('0' + status / 10 % 10);
  text += static_cast<char>('0' + status % 10);
  text += ' ';  // stays when there is no phrase, RFC 9112 4
  text += reason_phrase(status);
  text += "\r\n";
}

void append_field(std::string& text, std::string_view name, std::string_view value) {
  CHECK_THAT(is_token(name));
  CHECK_THAT(run_length(value, kValueChar) == value.size());
  text += name;
  text += ": ";
  text += value;
  text += "\r\n";
}

std::string format_fields(const Fields& fields) {
  std::size_t bytes = 0;
  for (const Field& field : fields) bytes += field.name.size() + field.value.size() + 4;
  std::string text;
  text.reserve(bytes);
  append_fields(text, fields);
  return text;
}

void append_fields(std::string& text, const Fields& fields) {
  for (const Field& field : fields) append_field(text, field.name, field.value);
}

std::string format_response_head(const ResponseHead& head) {
  std::string text;
  append_status_line(text, head.status);
  append_fields(text, head.fields);
  text += "\r\n";
  return text;
}

std::string format_chunk_size(std::size_t bytes) {
  std::array<char, 2 * sizeof(bytes)> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), bytes, 16);
  CHECK_THAT(error == std::errc());
  return std::string(digits.data(), end) + "\r\n";
}

}  // namespace ringdrop::proto
