// The head of one part of multipart/form-data (RFC 7578 4, RFC 2046 5.1): field lines in, a PartHead out. Pure.
// Not here: where the lines end and how many there may be (proto/multipart.cc).
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "proto/http_message.h"
#include "proto/multipart.h"

namespace ringdrop::proto {

// The rules are those of MultipartParser::step; every refusal is 400 bad_multipart.
class PartHeadReader {
 public:
  // One line without its CRLF; not the empty one that ends the head.
  std::expected<void, Rejection> add_line(std::string_view line);
  // The lines so far are the head. Precondition: no line was refused.
  std::expected<PartHead, Rejection> finish() const;

 private:
  Fields fields_;
};

}  // namespace ringdrop::proto
