// The values of an HTTP/1.1 exchange: methods, fields, heads (RFC 9110, RFC 9112). No bytes are
// read or written here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringdrop::proto {

enum class Method : uint8_t { get, head, put, post, patch, delete_, options, connect, trace, other };

// Why a message or a value in it is refused. All three live as long as the program (string
// literals).
//   status  the HTTP status that answers it
//   code    the stable machine-readable word, e.g. "bad_request"
//   reason  one sentence for a person, without a final full stop
struct Rejection {
  uint16_t status;
  const char* code;
  const char* reason;
};

struct Field {
  std::string name;   // as sent; compared without regard to case (RFC 9110 5.1)
  std::string value;  // without surrounding white space (RFC 9112 5.1)
};

// Field lines in the order they came.
class Fields {
 public:
  void add(std::string_view name, std::string_view value);
  // Keeps the memory of the lines, not that of what they say.
  void clear() { lines_.clear(); }
  // The first field of that name, nullopt when there is none. The view lives until the Fields
  // change.
  std::optional<std::string_view> find(std::string_view name) const;
  // How many field lines have that name.
  std::size_t count(std::string_view name) const;
  // All values of that name joined by ", " (RFC 9110 5.3); empty when there is none.
  std::string joined(std::string_view name) const;
  bool empty() const { return lines_.empty(); }
  std::size_t size() const { return lines_.size(); }
  auto begin() const { return lines_.begin(); }
  auto end() const { return lines_.end(); }

 private:
  std::vector<Field> lines_;
};

// ASCII case-insensitive comparison, as field names and most tokens ask for.
bool equals_ignoring_case(std::string_view a, std::string_view b);

// Whether a comma-separated list value contains `token`, without regard to case (Connection,
// Expect, ...).
bool list_contains(std::string_view list, std::string_view token);

// How a body is delimited (RFC 9112 6.3).
enum class BodyFraming : uint8_t { none, content_length, chunked };

// A request's head, checked: what the parser accepted and made of it.
struct RequestHead {
  Method method = Method::other;
  std::string method_text;  // as sent
  std::string target;       // as sent: origin-form, absolute-form or "*"
  // Of the target, still percent-encoded: the path begins with '/' ("*" for the asterisk form, ""
  // for CONNECT), the query is what follows the '?'.
  std::string path;
  std::string query;
  // host[:port] of the absolute form or of CONNECT, else of the Host field; "" for HTTP/1.0
  // without.
  std::string host;
  uint8_t minor_version = 1;      // 0 or 1: a later HTTP/1.x is taken as 1.1 (RFC 9110 2.5)
  bool keep_alive = true;         // the client allows another request on this connection (RFC 9112 9.3)
  bool expects_continue = false;  // Expect: 100-continue (RFC 9110 10.1.1); never set for HTTP/1.0
  BodyFraming framing = BodyFraming::none;
  uint64_t content_length = 0;  // bytes; meaningful when framing is content_length
  Fields fields;

  // As new, but with the memory of the texts, for the next head.
  void forget();
};

// A response's head. Content-Length, Transfer-Encoding, Connection and Date are the response
// writer's to add.
struct ResponseHead {
  uint16_t status = 200;
  Fields fields;
};

}  // namespace ringdrop::proto
