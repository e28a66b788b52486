// The two protocols of resumable uploads from the client's side: which requests are made and what the answers say.
// Pure: who sends them, and when again, is file_upload.h's matter.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "client/failure.h"
#include "client/http_client.h"
#include "proto/http_url.h"

namespace ringdrop::client {

enum class ProtocolChoice : uint8_t { automatic, ietf, tus };

struct FileFacts {
  std::string name;  // any bytes
  uint64_t size_bytes = 0;
};

// What the uploader wants of the link; as text, for the server to judge. "" is no wish.
struct LinkWishes {
  std::string expires;
  std::string max_downloads;
};

// How far an upload is, as the server says.
struct UploadPoint {
  uint64_t offset = 0;
  bool complete = false;
  std::string link;  // of a complete one; "" when the server does not tell
};

class UploadProtocol {
 public:
  virtual ~UploadProtocol() = default;

  virtual std::string_view name() const = 0;  // "ietf", "tus": what is remembered
  // An empty upload of known length; `target` is where uploads are made.
  virtual HttpRequest creation(const std::string& target, const FileFacts& file, const LinkWishes& wishes) const = 0;
  // Where it stands.
  virtual HttpRequest question(const std::string& location) const = 0;
  // The rest of the content, from `offset` to the end.
  virtual HttpRequest append(const std::string& location, uint64_t offset) const = 0;
  virtual HttpRequest cancellation(const std::string& location) const = 0;
  // What a successful answer to any of them says of an upload of that size; nullopt: it does not say what it must.
  virtual std::optional<UploadPoint> read_point(const HttpAnswer& answer, uint64_t size_bytes) const = 0;
};

// draft-ietf-httpbis-resumable-upload, as of interop version 8, with no interim answers.
std::unique_ptr<UploadProtocol> make_ietf_protocol();
// tus 1.0.0.
std::unique_ptr<UploadProtocol> make_tus_protocol();
// By name(); nullptr for another.
std::unique_ptr<UploadProtocol> make_protocol(std::string_view name);

// By the answer to OPTIONS, when the choice is left to it: Upload-Limit or Accept-Patch with application/partial-upload
// is the IETF's, Tus-Version with 1.0.0 is tus. nullptr: neither.
std::unique_ptr<UploadProtocol> discover_protocol(const proto::Fields& fields);

// An answer that is no success: what can be done, and the server's words (of application/problem+json, or the first
// line of text), with everything that could steer a terminal taken out. `known`: the request was about an upload that
// the server once made, and may have forgotten.
Failure answer_failure(const HttpAnswer& answer, bool known);

}  // namespace ringdrop::client
